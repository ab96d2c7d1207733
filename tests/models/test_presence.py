"""One process without Redis, or any number with it."""

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import StartupRefused
from models import standing
from models.database import open_connection
from models.presence import PRESENCE_LOCK, presence
from tests.engine.lab import until
from tests.servers.postgres import create_database, drop_database
from tests.servers.postgres_proxy import PostgresProxy

ROOT = Path(__file__).parents[2]
HOLD = """
import asyncio, sys
from models.presence import presence

async def main() -> None:
    async with presence(sys.argv[1], alone=True):
        sys.stdout.write("here")
        sys.stdout.flush()
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def url(worker_id: str) -> AsyncIterator[str]:
    name = f"test_presence_{worker_id}"
    yield await create_database(name)
    await drop_database(name)


async def test_any_number_of_processes_with_redis_may_be_there(url: str) -> None:
    async with presence(url, alone=False), presence(url, alone=False):
        pass


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
async def test_one_without_redis_is_there_alone(url: str, first: bool, second: bool) -> None:
    async with presence(url, alone=first):
        with pytest.raises(StartupRefused, match="REDIS_URL"):
            async with presence(url, alone=second):
                pass
    async with presence(url, alone=second):
        pass


async def test_a_process_that_is_killed_leaves_its_place(url: str) -> None:
    process = await create_subprocess_exec(sys.executable, "-c", HOLD, url, stdout=PIPE, cwd=ROOT)
    assert process.stdout
    assert await process.stdout.readexactly(4) == b"here"
    process.kill()
    await process.wait()
    async with presence(url, alone=True):
        pass


@pytest.mark.parametrize("alone", [True, False])
async def test_the_place_is_taken_again_after_the_connection_broke(url: str, alone: bool) -> None:
    async with PostgresProxy(url) as proxy, presence(proxy.url, alone=alone):
        await proxy.close()
        await until(lambda: is_free(url))
        await proxy.open()
        await until(lambda: is_taken(url))


async def test_a_connection_that_died_in_silence_is_replaced(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PING_S", 0.1)
    async with PostgresProxy(url) as proxy, presence(proxy.url, alone=True):
        before = await holders(url)
        proxy.stall()
        await until(lambda: has_made(proxy, 2))
        proxy.go_on()
        await until(lambda: is_held_by_others(url, before))


async def has_made(proxy: PostgresProxy, links: int) -> bool:
    return proxy.links_made >= links


async def is_held_by_others(url: str, before: list[int]) -> bool:
    now = await holders(url)
    return bool(now) and not set(now) & set(before)


async def holders(url: str) -> list[int]:
    connection = await open_connection(url)
    sql = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objid = $1
    """
    rows = await connection.fetch(sql, PRESENCE_LOCK)
    await connection.close()
    return [row["pid"] for row in rows]


async def is_free(url: str) -> bool:
    return not await holders(url)


async def is_taken(url: str) -> bool:
    return bool(await holders(url))

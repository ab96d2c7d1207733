"""One process without Redis, or any number with it."""

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import StartupRefused
from models.presence import presence
from tests.servers.postgres import create_database, drop_database

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

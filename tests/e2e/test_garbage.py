"""What has come to its end is gone by itself. What only Python's collector of cycles could find would pile up, and be
taken away at some moment for a tenth of a second, in which nobody is served.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import pytest

from tests.servers.postgres import create_database, drop_database
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream


@pytest.fixture
async def empty_url(worker_id: str) -> AsyncIterator[str]:
    """A server without Redis is alone on its database."""
    name = f"garbage_{worker_id}"
    yield await create_database(name)
    await drop_database(name)


async def test_runs_and_connections_leave_nothing_to_the_collector_of_cycles(
    empty_url: str, upstream: Upstream
) -> None:
    model = upstream.serve(text(*numbered_tokens(10)).pausing(0.05))
    arguments = ("-m", "tests.e2e.garbage", empty_url, upstream.base_url, model)
    checking = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(90):
        found, errors = await checking.communicate()
    assert checking.returncode == 0, errors.decode()[-2000:]
    assert json.loads(found) == []

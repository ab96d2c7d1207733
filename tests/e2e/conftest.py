"""The whole server, for tests that are clients of it."""

from collections.abc import AsyncIterator

import pytest

from engine import durable
from tests.accounts import Member, sign_up, with_new_workspace
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import ServerProcess, serve_in_process
from tests.servers.redis import redis_server
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["redis_server", "upstream"]


@pytest.fixture(scope="session")
async def executing_url(worker_id: str) -> AsyncIterator[str]:
    """A database for servers that execute runs."""
    name = f"executing_{worker_id}"
    url = await create_database(name)
    await durable.migrate(url)
    yield url
    await drop_database(name)


@pytest.fixture(scope="session")
async def executing(executing_url: str, upstream: Upstream) -> AsyncIterator[ServerProcess]:
    """A server that executes runs, in a process of its own; the models of ``upstream`` are openai_compatible/ there."""
    async with serve_in_process(executing_url, upstream) as running:
        yield running


@pytest.fixture(scope="session")
async def user(executing: ServerProcess) -> Member:
    """Somebody on the server that executes runs, who stays signed in."""
    return await sign_up(executing)


@pytest.fixture
async def ada(user: Member) -> Member:
    """The user in a workspace of this test's own."""
    return await with_new_workspace(user)

"""The whole server, for tests that are clients of it."""

import pytest

from tests.accounts import Member, sign_up, with_new_workspace
from tests.servers.process import ServerProcess
from tests.servers.redis import redis_server

__all__ = ["redis_server"]


@pytest.fixture(scope="session")
async def user(executing: ServerProcess) -> Member:
    """Somebody on the server that executes runs, who stays signed in."""
    return await sign_up(executing)


@pytest.fixture
async def ada(user: Member) -> Member:
    """The user in a workspace of this test's own."""
    return await with_new_workspace(user)

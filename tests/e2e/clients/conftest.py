"""What tests of the example clients share."""

import pytest

from tests.accounts import Member, sign_up
from tests.servers.process import ServerProcess


@pytest.fixture
async def ada(executing: ServerProcess) -> Member:
    """Somebody with a session of their own, since these clients renew and end it."""
    return await sign_up(executing)

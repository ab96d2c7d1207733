"""What has come to its end is gone by itself. What only Python's collector of cycles could find would pile up, and be
taken away at some moment for a tenth of a second, in which nobody is served.
"""

import gc
from collections.abc import AsyncIterator
from types import MethodType
from typing import Any

import pytest

from tests.accounts import sign_up
from tests.operations import START_RUN, complete_run, create_agent
from tests.servers.app import Server, serve, settings_for

PACKAGES = {"commands", "core", "engine", "models", "providers", "resolvers", "schema", "services", "streaming"}


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    async with serve(settings_for(database_url, scripted_provider=True), with_executor=True) as running:
        yield running


def left_to_the_collector() -> set[str]:
    """The kinds of ours that lie about without being reached from anywhere."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        owners = [found.__self__ if isinstance(found, MethodType) else found for found in gc.garbage]
        return {kind_of(owner) for owner in owners if type(owner).__module__.partition(".")[0] in PACKAGES}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def kind_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


async def test_runs_and_connections_leave_nothing_to_the_collector_of_cycles(server: Server) -> None:
    member = await sign_up(server)
    agent = await create_agent(member)
    await complete_run(member, agent)  # what is made once is here now
    gc.collect()
    gc.disable()
    try:
        await complete_run(member, agent)
        async with member.client.connect() as socket:
            [_] = [result async for result in socket.stream(START_RUN, input={"agentId": agent["id"], "message": "Hi"})]
        assert left_to_the_collector() == set()
    finally:
        gc.enable()

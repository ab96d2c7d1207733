"""What has come to its end is gone by itself. What only Python's collector of cycles could find would pile up, and be
taken away at some moment for a tenth of a second, in which nobody is served.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from types import MethodType
from typing import Any

import pytest

from tests.accounts import sign_up
from tests.operations import RUN_EVENTS, START_RUN, complete_run, create_agent
from tests.servers.app import Server, serve, settings_for
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream

PACKAGES = {"commands", "core", "engine", "models", "providers", "resolvers", "schema", "services", "streaming"}


@pytest.fixture
async def server(database_url: str, upstream: Upstream) -> AsyncIterator[Server]:
    """In this process, of which the collector is."""
    settings = settings_for(database_url, openai_compatible_base_url=upstream.base_url)
    async with serve(settings, with_executor=True) as running:
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


async def test_runs_and_connections_leave_nothing_to_the_collector_of_cycles(
    server: Server, upstream: Upstream
) -> None:
    member = await sign_up(server)
    slow = text(*numbered_tokens(10)).pausing(0.05)
    agent = await create_agent(member, f"openai_compatible/{upstream.serve(slow)}")
    await complete_run(member, agent)  # what is made once is here now
    gc.collect()
    gc.disable()
    try:
        await complete_run(member, agent)
        async with member.client.connect() as socket, asyncio.timeout(20):
            request = {"agentId": agent["id"], "message": "Hi"}
            [started] = [result async for result in socket.stream(START_RUN, input=request)]
            run_id = started["data"]["startRun"]["run"]["id"]
            events = [result async for result in socket.stream(RUN_EVENTS, runId=run_id, after=0)]
            assert len(events) > 7, "words came one after the other"
        await asyncio.sleep(0.2)
        assert left_to_the_collector() == set()
    finally:
        gc.enable()

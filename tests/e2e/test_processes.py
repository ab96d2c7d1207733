"""Two processes on one database, joined by Redis: one executes runs, the other does not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.accounts import SIGN_OUT, Member, sign_up
from tests.client import Client
from tests.operations import (
    CANCEL_RUN,
    RUN_EVENTS,
    answer,
    assert_dense,
    create_agent,
    sha256_of,
    start_run,
    text_of,
    watch,
)
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import ServerProcess, serve_in_process
from tests.servers.redis import RedisServer
from tests.upstream.replies import Signal, numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(60)


@pytest.fixture(scope="module")
async def pair(
    worker_id: str, upstream: Upstream, redis_server: RedisServer
) -> AsyncIterator[tuple[ServerProcess, ServerProcess]]:
    """The executing process, and the other one."""
    name = f"pair_{worker_id}"
    url = await create_database(name)
    async with (
        serve_in_process(url, upstream, REDIS_URL=redis_server.url) as first,
        serve_in_process(url, upstream, "--no-executor", REDIS_URL=redis_server.url) as second,
    ):
        yield first, second
    await drop_database(name)


@pytest.fixture
async def ada(pair: tuple[ServerProcess, ServerProcess]) -> Member:
    """Somebody who signed up at the executing process."""
    return await sign_up(pair[0])


@pytest.fixture
def elsewhere(ada: Member, pair: tuple[ServerProcess, ServerProcess]) -> Client:
    """The same person, at the other process."""
    return pair[1].client(ada.access_token)


async def test_a_run_is_watched_live_from_a_process_that_does_not_execute_it(
    ada: Member, elsewhere: Client, upstream: Upstream
) -> None:
    model = upstream.serve(text(*TOKENS).pausing(0.01))
    run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
    here, there = await asyncio.gather(watch(ada.client, run), watch(elsewhere, run))
    late = datetime.now(UTC) - datetime.fromisoformat(there[-1]["at"])
    assert late.total_seconds() < 1, "the bus told of the end, not the next poll"
    for events in (here, there):
        assert_dense(events)
        assert text_of(events) == "".join(TOKENS)
        assert events[-1]["textSha256"] == sha256_of(events)
    deltas = [event for event in there if event["__typename"] == "TextDelta"]
    assert len(deltas) > 5, "it came piece by piece"


async def test_a_run_started_and_cancelled_elsewhere_stops_where_it_is_executed(
    ada: Member, elsewhere: Client, upstream: Upstream
) -> None:
    model = upstream.serve(text("x").then(Signal.HANG, after=1))
    run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
    exchange = await upstream.exchange(model)
    cancelled = await answer(elsewhere, CANCEL_RUN, runId=run["id"])
    await asyncio.wait_for(exchange.closed.wait(), 5)
    assert (cancelled["run"]["status"], cancelled["providerClosedAt"] is None) == ("CANCELLED", False)


async def test_signing_out_ends_streams_of_all_processes_within_a_second(
    ada: Member, elsewhere: Client, upstream: Upstream
) -> None:
    model = upstream.serve(text("x").then(Signal.HANG, after=1))
    run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
    await upstream.exchange(model)
    async with elsewhere.connect() as socket:
        await socket.subscribe(RUN_EVENTS, runId=run["id"])
        while (await socket.receive())["payload"]["data"]["runEvents"]["__typename"] != "TextDelta":
            pass
        async with asyncio.timeout(1):
            await ada.client.execute(SIGN_OUT)
            assert (await socket.receive())["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            assert await socket.closed() == (4403, "The session has ended.")

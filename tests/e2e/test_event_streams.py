"""Operations over Server-Sent Events and over multipart HTTP."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import pytest

from core.auth import KeyRing
from tests.accounts import SIGN_OUT, Member, sign_up
from tests.e2e.endpoint import PATH, PUSHED, SECRET, TAKEN
from tests.event_streams import ACCEPTS, complete, stream
from tests.operations import RUN_EVENTS, create_agent, event_of, get_run, start_run, watch
from tests.servers.app import Server
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream

TICKS = "subscription ($to: Int!) { ticks(to: $to) { number } }"
SILENCE = "subscription { silence }"
TAKE = "mutation ($of: String!) { take(of: $of) }"
PUSHED_TO = "subscription ($to: String!) { pushed(to: $to) }"

pytestmark = pytest.mark.parametrize("accept", ACCEPTS, ids=["sse", "multipart"])


async def pushing(name: str) -> asyncio.Queue[int]:
    """The queue of that name, once it is watched."""
    async with asyncio.timeout(10):
        while name not in PUSHED:  # noqa: ASYNC110  # a queue is no event
            await asyncio.sleep(0.01)
    return PUSHED[name]


async def test_a_subscription_yields_and_completes(server: Server, accept: str) -> None:
    results = await complete(server.client(path=PATH), accept, TICKS, to=1000)
    assert results == [{"data": {"ticks": {"number": number}}} for number in range(1, 1001)]


async def test_results_come_one_by_one_and_nothing_on_the_way_is_asked_to_hold_them_back(
    server: Server, accept: str
) -> None:
    name = uuid4().hex
    async with stream(server.client(path=PATH), accept, PUSHED_TO, to=name) as opened, asyncio.timeout(30):
        queue = await pushing(name)
        for number in range(5):
            queue.put_nowait(number)
            assert await opened.result() == {"data": {"pushed": number}}
        headers = opened.response.headers
    assert "Content-Encoding" not in headers
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"


async def test_a_silent_stream_says_that_it_lives(server: Server, accept: str) -> None:
    name = uuid4().hex
    async with stream(server.client(path=PATH), accept, PUSHED_TO, to=name) as opened, asyncio.timeout(30):
        queue = await pushing(name)
        asyncio.get_running_loop().call_later(0.5, queue.put_nowait, 1)
        assert await opened.result() == {"data": {"pushed": 1}}
        assert opened.heartbeats >= 2


@pytest.mark.parametrize("document", ["{", "{ nothing }", "subscription { nothing }", "fragment A on B { c }"])
async def test_a_document_that_cannot_run_is_told_so(server: Server, accept: str, document: str) -> None:
    only = accept.removesuffix(",application/json")
    [result] = await complete(server.client(), only, document)
    assert {error["extensions"]["code"] for error in result["errors"]} == {"VALIDATION_FAILED"}


async def test_without_a_document_there_is_nothing_to_run(server: Server, accept: str) -> None:
    only = accept.removesuffix(",application/json")
    [result] = await complete(server.client(), only, None)
    assert result["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"


@pytest.mark.parametrize("after", [0, 2])
async def test_a_refused_subscription_says_why_and_completes(server: Server, accept: str, after: int) -> None:
    query = "subscription ($after: Int!) { refuse(after: $after) }"
    results = await complete(server.client(path=PATH), accept, query, after=after)
    assert len(results) == after + 1
    [error] = results[-1]["errors"]
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("VALIDATION_FAILED", ["after"])


async def test_a_subscription_that_crashes_is_masked(server: Server, accept: str) -> None:
    results = await complete(server.client(path=PATH), accept, "subscription { crash }")
    assert results[-1]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in json.dumps(results)


@pytest.mark.parametrize("token", [None, "x"])
async def test_a_run_is_for_those_who_are_signed_in(server: Server, accept: str, token: str | None) -> None:
    [result] = await complete(server.client(token), accept, RUN_EVENTS, runId="run_01k9zzzzzzzzzzzzzzzzzzzzzz")
    assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_signing_out_ends_a_stream_at_once_with_the_reason(server: Server, accept: str) -> None:
    member = await sign_up(server)
    name = uuid4().hex
    async with stream(server.client(member.access_token, PATH), accept, PUSHED_TO, to=name) as opened:
        await pushing(name)
        await member.client.execute(SIGN_OUT)
        async with asyncio.timeout(10):
            [result] = [result async for result in opened.results()]
        assert opened.completed
    [error] = result["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("The session has ended.", "UNAUTHENTICATED")
    assert name not in PUSHED


async def test_a_stream_ends_when_its_access_token_expires(server: Server, accept: str) -> None:
    keys: KeyRing = server.app.state.runtime.keys
    claims = keys.verify_access_token((await sign_up(server)).access_token)
    token, _ = keys.issue_access_token(claims.user_id, claims.session_id, timedelta(seconds=1))
    [result] = await complete(server.client(token, PATH), accept, SILENCE)
    [error] = result["errors"]
    assert error["message"] == "The access token has expired."
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_client_that_goes_leaves_nothing_behind(server: Server, accept: str) -> None:
    name = uuid4().hex
    async with stream(server.client(path=PATH), accept, PUSHED_TO, to=name) as opened:
        (await pushing(name)).put_nowait(1)
        await opened.result()
    async with asyncio.timeout(10):
        while name in PUSHED:  # noqa: ASYNC110  # a queue is no event
            await asyncio.sleep(0.01)


async def test_a_mutation_that_has_begun_is_finished_although_its_client_has_gone(server: Server, accept: str) -> None:
    name, only = uuid4().hex, accept.removesuffix(",application/json")
    async with stream(server.client(path=PATH), only, TAKE, of=name):
        queue = await pushing(name)
    await asyncio.sleep(0.3)
    queue.put_nowait(5)
    async with asyncio.timeout(10):
        while name in PUSHED:  # noqa: ASYNC110  # a queue is no event
            await asyncio.sleep(0.01)
    assert TAKEN[name] == 5


async def test_a_run_goes_on_when_its_watcher_goes_and_the_stream_resumes(
    ada: Member, upstream: Upstream, accept: str
) -> None:
    model = upstream.serve(text(*numbered_tokens(60)).pausing(0.01))
    run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
    async with stream(ada.client, accept, RUN_EVENTS, runId=run["id"]) as opened:
        seen = [event_of(await opened.result()) for _ in range(3)]
    after = seen[-1]["seq"]
    rest = [event_of(result) for result in await complete(ada.client, accept, RUN_EVENTS, runId=run["id"], after=after)]
    assert [event["seq"] for event in seen + rest][-1] == (await watch(ada.client, run))[-1]["seq"]
    assert rest[-1]["run"]["status"] == "SUCCEEDED"
    assert (await get_run(ada, run))["outputText"] == "".join(numbered_tokens(60))

"""The stream of a run's events over graphql-transport-ws."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.accounts import SIGN_OUT, Member, sign_up
from tests.client import Json, Socket
from tests.operations import (
    CANCEL_RUN,
    RUN_EVENTS,
    answer,
    assert_dense,
    complete_run,
    create_agent,
    event_of,
    get_run,
    sha256_of,
    start_run,
    text_of,
    unknown_id,
    watch,
)
from tests.servers.process import ServerProcess
from tests.upstream.replies import Signal, Usage, completion, numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(40)
NO_USAGE = {"inputTokens": 0, "outputTokens": 0, "cachedTokens": 0, "costUsd": "0", "llmCalls": 0}


async def agent_of(member: Member, upstream: Upstream, *replies: Any) -> tuple[Json, str]:
    """An agent on a model that answers with ``replies``, and the model's name at the upstream."""
    model = upstream.serve(*replies)
    return await create_agent(member, f"openai_compatible/{model}"), model


async def events_of(socket: Socket, run: Json, after: int = 0, **variables: Any) -> AsyncIterator[Json]:
    async for payload in socket.stream(RUN_EVENTS, runId=run["id"], after=after, **variables):
        yield event_of(payload)


async def refusal(member: Member, run_id: str, **variables: Any) -> tuple[str, list[str] | None]:
    """The code and path with which runEvents is refused."""
    async with member.client.connect() as socket:
        payloads = [payload async for payload in socket.stream(RUN_EVENTS, runId=run_id, **variables)]
    [payload] = payloads
    [error] = payload["errors"]
    assert payload["data"] is None
    return error["extensions"]["code"], error["extensions"].get("path")


async def test_a_run_is_seen_live_from_its_first_event_to_its_last(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(ada, upstream, text(*TOKENS, usage=Usage(7, 40)).pausing(0.02))
    run = await start_run(ada, agent)
    events, words_before_the_end = [], 0
    async with ada.client.connect() as socket:
        async for event in events_of(socket, run):
            events.append(event)
            words_before_the_end += not upstream.exchanges(model)[0].answered.is_set() if len(events) > 2 else 0
    kinds = [event["__typename"] for event in events]
    assert kinds[:2] == ["RunStarted", "StepStarted"]
    assert kinds[-2:] == ["StepFinished", "RunFinished"]
    assert set(kinds[2:-2]) == {"TextDelta"}
    assert words_before_the_end > 3, "words come while the model still speaks"
    assert_dense(events)
    assert text_of(events) == "".join(TOKENS)
    assert events[-1]["textSha256"] == sha256_of(events)
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


async def test_events_hold_run_and_step_as_they_were_then(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text(*TOKENS, usage=Usage(7, 40)))
    run = await complete_run(ada, agent, metadata={"a": 1})
    events = await watch(ada.client, run)
    then = events[0]["run"]
    assert (then["id"], then["status"], then["usage"], then["lastSeq"]) == (run["id"], "QUEUED", NO_USAGE, 1)
    assert (then["startedAt"], then["finishedAt"], then["outputText"]) == (None, None, None)
    assert (then["input"], then["metadata"], then["createdAt"]) == ("Hello", {"a": 1}, run["createdAt"])
    for name in ("agent", "agentVersion", "thread"):
        assert then[name] == run[name]
    started, finished = events[1]["step"], events[-2]["step"]
    assert (started["status"], started["finishedAt"], started["output"]) == ("RUNNING", None, None)
    assert (started["id"], started["name"]) == (finished["id"], finished["name"])
    assert [finished] == run["steps"]["nodes"]
    assert {event["stepId"] for event in events if "stepId" in event} == {finished["id"]}
    assert events[-1]["run"] == run
    assert run["lastSeq"] == events[-1]["seq"]
    assert run["usage"] == NO_USAGE | {"inputTokens": 7, "outputTokens": 40, "llmCalls": 1}


async def test_a_late_joiner_gets_one_delta_and_not_a_replay_of_thousands(ada: Member, upstream: Upstream) -> None:
    tokens = numbered_tokens(2000)
    agent, _ = await agent_of(ada, upstream, text(*tokens))
    run = await complete_run(ada, agent)
    events = await watch(ada.client, run)
    assert [event["__typename"] for event in events] == [
        "RunStarted",
        "StepStarted",
        "TextDelta",
        "StepFinished",
        "RunFinished",
    ]
    assert_dense(events)
    assert events[-1]["textSha256"] == sha256_of(events)


async def test_any_cursor_gives_exactly_the_rest(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text(*TOKENS).pausing(0.002))
    run = await complete_run(ada, agent)
    total = text_of(await watch(ada.client, run))
    rests = []
    async with ada.client.connect() as socket:
        for after in range(run["lastSeq"] + 1):
            events = [event async for event in events_of(socket, run, after)]
            assert_dense(events, after)
            assert (events[-1]["seq"] if events else after) == run["lastSeq"]
            rests.append(text_of(events))
    assert rests[0] == total
    assert all(total.endswith(rest) for rest in rests)
    assert len(set(rests)) > 5, "the text was cut in many places"
    assert rests[-1] == ""


async def test_a_finished_run_completes_at_once(ada: Member) -> None:
    run = await complete_run(ada, await create_agent(ada))
    async with asyncio.timeout(2):
        assert (await watch(ada.client, run))[-1]["__typename"] == "RunFinished"
        assert [event["__typename"] for event in await watch(ada.client, run, run["lastSeq"] - 1)] == ["RunFinished"]
        assert await watch(ada.client, run, run["lastSeq"]) == []


async def test_deltas_come_no_faster_than_asked_for(ada: Member, upstream: Upstream) -> None:
    tokens = numbered_tokens(120)
    agent, _ = await agent_of(ada, upstream, text(*tokens).pausing(0.005))
    run = await start_run(ada, agent)

    async def count(max_hz: int) -> tuple[int, float]:
        """Deltas, and the seconds that they took."""
        now = asyncio.get_running_loop().time
        times, events = [], []
        async with ada.client.connect() as socket:
            async for event in events_of(socket, run, delivery={"maxHz": max_hz}):
                events.append(event)
                if event["__typename"] == "TextDelta":
                    times.append(now())
        assert_dense(events)
        assert text_of(events) == "".join(tokens)
        return len(times), times[-1] - times[0]

    (few, few_s), (many, many_s) = await asyncio.gather(count(4), count(120))
    # The first comes at once, and the last goes out early, before the step's end.
    assert few <= few_s * 4 + 2
    assert many <= many_s * 120 + 2
    assert few < many


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"after": -1}, ["after"]),
        ({"after": 2**31 - 1}, ["after"]),
        ({"delivery": {"maxHz": 0}}, ["delivery", "maxHz"]),
        ({"delivery": {"maxHz": 121}}, ["delivery", "maxHz"]),
        ({"delivery": {"maxHz": -5}}, ["delivery", "maxHz"]),
    ],
    ids=str,
)
async def test_what_cannot_be_delivered_is_a_validation_error(
    ada: Member, variables: dict[str, Any], path: list[str]
) -> None:
    run = await complete_run(ada, await create_agent(ada))
    assert await refusal(ada, run["id"], **variables) == ("VALIDATION_FAILED", path)


async def test_a_cursor_past_the_newest_event_is_refused(ada: Member, upstream: Upstream) -> None:
    run = await complete_run(ada, await create_agent(ada))
    assert await refusal(ada, run["id"], after=run["lastSeq"] + 1) == ("VALIDATION_FAILED", ["after"])
    agent, _ = await agent_of(ada, upstream, text("x").then(Signal.HANG, after=1))
    live = await start_run(ada, agent)
    assert await refusal(ada, live["id"], after=1000) == ("VALIDATION_FAILED", ["after"])
    await answer(ada.client, CANCEL_RUN, runId=live["id"])


async def test_the_edges_of_max_hz_and_an_explicit_null_are_taken(ada: Member) -> None:
    run = await complete_run(ada, await create_agent(ada))
    for delivery in (None, {}, {"maxHz": 1}, {"maxHz": 120}):
        assert text_of(await watch(ada.client, run, delivery=delivery)) == "Hello"


async def test_a_run_of_nobody_or_of_others_is_not_found(ada: Member, executing: ServerProcess) -> None:
    run = await complete_run(ada, await create_agent(ada))
    other = await sign_up(executing)
    for id in (run["id"], unknown_id(run["id"]), run["agent"]["id"], "garbage", ""):
        assert await refusal(other, id) == ("NOT_FOUND", ["runId"])
    anonymous = Member(executing.client(), "", "", "", "", "")
    assert await refusal(anonymous, run["id"]) == ("UNAUTHENTICATED", None)


async def test_a_watcher_who_is_cut_off_resumes_and_misses_nothing(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(ada, upstream, text(*TOKENS).pausing(0.01))
    run = await start_run(ada, agent)
    seen: list[Json] = []
    async with ada.client.connect() as socket:
        async for event in events_of(socket, run):
            seen.append(event)
            if len(seen) == 6:
                break
        socket.connection.transport.abort()
        with pytest.raises(ConnectionClosed):
            await socket.receive()
    assert not upstream.exchanges(model)[0].answered.is_set(), "it was cut off in the middle"
    rest = await watch(ada.client, run, seen[-1]["seq"])
    assert_dense(seen + rest)
    assert text_of(seen + rest) == "".join(TOKENS)
    assert rest[-1]["textSha256"] == sha256_of(seen + rest)


async def test_a_run_goes_on_when_its_watcher_leaves(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(ada, upstream, text(*TOKENS).pausing(0.005))
    run = await start_run(ada, agent)
    async with ada.client.connect() as socket:
        operation = await socket.subscribe(RUN_EVENTS, runId=run["id"])
        while (await socket.receive())["payload"]["data"]["runEvents"]["__typename"] != "TextDelta":
            pass
        await socket.send(id=operation, type="complete")
        await asyncio.wait_for(upstream.exchanges(model)[0].answered.wait(), 10)
        again = [event async for event in events_of(socket, run)]
    assert text_of(again) == "".join(TOKENS)
    assert (await get_run(ada, run))["status"] == "SUCCEEDED"


async def test_any_number_of_watchers_see_the_same(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text(*TOKENS).pausing(0.005))
    run = await start_run(ada, agent)

    async def watch_later(number: int) -> list[Json]:
        await asyncio.sleep(number * 0.02)
        return await watch(ada.client, run, delivery={"maxHz": 10 * (number + 1)})

    for events in await asyncio.gather(*(watch_later(number) for number in range(8))):
        assert_dense(events)
        assert events[-1]["textSha256"] == sha256_of(events)
        assert text_of(events) == "".join(TOKENS)


async def test_a_socket_carries_several_streams_at_once(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text(*TOKENS).pausing(0.003))
    runs = [await start_run(ada, agent) for _ in range(3)]
    streams: dict[str, list[Json]] = {}
    async with ada.client.connect() as socket:
        for run in runs:
            streams[await socket.subscribe(RUN_EVENTS, runId=run["id"])] = []
        open_streams = set(streams)
        while open_streams:
            message = await socket.receive()
            if message["type"] == "complete":
                open_streams.remove(message["id"])
            else:
                streams[message["id"]].append(event_of(message["payload"]))
    for run, events in zip(runs, streams.values(), strict=True):
        assert_dense(events)
        assert events[-1]["run"]["id"] == run["id"]
        assert events[-1]["textSha256"] == sha256_of(events)


async def test_reasoning_is_told_and_is_no_part_of_the_text(ada: Member, upstream: Upstream) -> None:
    reply = completion([{"reasoning_content": "Hm. "}, {"reasoning_content": "So."}, {"content": "Yes."}])
    agent, _ = await agent_of(ada, upstream, reply)
    run = await complete_run(ada, agent)
    events = await watch(ada.client, run)
    assert [event["text"] for event in events if event["__typename"] == "ReasoningDelta"] == ["Hm. So."]
    assert_dense(events)
    assert (text_of(events), run["outputText"]) == ("Yes.", "Yes.")
    assert events[-1]["textSha256"] == sha256_of(events)


async def test_a_failed_run_ends_its_stream_like_any_other(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text("Half ", "a ", "word").then(Signal.CUT, after=2))
    events = await watch(ada.client, await start_run(ada, agent))
    assert_dense(events)
    assert [event["__typename"] for event in events[-2:]] == ["StepFinished", "RunFinished"]
    assert (events[-1]["run"]["status"], events[-1]["run"]["failure"]["code"]) == ("FAILED", "PROVIDER_FAILED")
    assert events[-1]["run"]["failure"] == events[-2]["step"]["failure"]
    assert text_of(events) == "Half a "
    assert events[-1]["textSha256"] == sha256_of(events)


async def test_a_tool_that_the_agent_does_not_have_is_told_of_and_fails_the_run(
    ada: Member, upstream: Upstream
) -> None:
    call = {"index": 0, "id": "call-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    reply = completion([{"tool_calls": [call]}], finish_reason="tool_calls")
    agent, _ = await agent_of(ada, upstream, reply)
    events = await watch(ada.client, await start_run(ada, agent))
    [called] = [event for event in events if event["__typename"] == "ToolCalled"]
    assert (called["callId"], called["name"], called["arguments"]) == ("call-1", "add", {"a": 1})
    assert events[-1]["run"]["failure"]["code"] == "TOOL_FAILED"


@pytest.mark.parametrize("token", ["\x00", "🜂", "a\u2028b", "é" * 1000, " "], ids=ascii)
async def test_whatever_the_model_says_arrives_and_matches_its_hash(
    ada: Member, upstream: Upstream, token: str
) -> None:
    agent, _ = await agent_of(ada, upstream, text("a", token, "b"))
    run = await complete_run(ada, agent)
    events = await watch(ada.client, run)
    assert run["status"] == "SUCCEEDED"
    assert events[-1]["textSha256"] == sha256_of(events)
    assert run["outputText"] == text_of(events)
    assert text_of(events)[0] + text_of(events)[-1] == "ab"


async def test_signing_out_ends_a_live_stream_within_a_second(executing: ServerProcess, upstream: Upstream) -> None:
    ada = await sign_up(executing)
    agent, model = await agent_of(ada, upstream, text("x").then(Signal.HANG, after=1))
    run = await start_run(ada, agent)
    async with ada.client.connect() as socket:
        await socket.subscribe(RUN_EVENTS, runId=run["id"])
        while (await socket.receive())["payload"]["data"]["runEvents"]["__typename"] != "TextDelta":
            pass
        async with asyncio.timeout(1):
            await ada.client.execute(SIGN_OUT)
            message = await socket.receive()
            assert await socket.closed() == (4403, "The session has ended.")
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert not upstream.exchanges(model)[0].closed.is_set(), "the run goes on all the same"

"""Runs, from startRun to the last event, as clients see them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.accounts import Member
from tests.client import Json
from tests.operations import (
    CANCEL_RUN,
    ECHO,
    START_RUN,
    answer,
    complete_run,
    create_agent,
    finish,
    get_run,
    new_key,
    start_run,
    unknown_id,
    watch,
)
from tests.servers.process import ServerProcess
from tests.upstream.replies import Signal, Usage, failure, numbered_tokens, text
from tests.upstream.server import Upstream

FINISHED_USAGE = {"inputTokens": 12, "outputTokens": 5, "cachedTokens": 4, "costUsd": "0", "llmCalls": 1}
RUNS = "totalCount nodes { id status } pageInfo { hasNextPage endCursor }"
WORKSPACE_RUNS = f"""query ($id: ID!, $first: Int, $after: String, $filter: RunFilter) {{
  workspace(id: $id) {{ runs(first: $first, after: $after, filter: $filter) {{ {RUNS} }} }}
}}"""
AGENT_RUNS = f"""query ($id: ID!, $first: Int, $after: String, $filter: RunFilter) {{
  agent(id: $id) {{ runs(first: $first, after: $after, filter: $filter) {{ {RUNS} }} }}
}}"""


async def agent_of(member: Member, upstream: Upstream, *replies: Any, **config: Any) -> tuple[Json, str]:
    """An agent on a model that answers with ``replies``, and the model's name at the upstream."""
    model = upstream.serve(*replies)
    return await create_agent(member, f"openai_compatible/{model}", **config), model


async def hanging_agent(member: Member, upstream: Upstream, said: str = "I will") -> tuple[Json, str]:
    """An agent that never comes to the end of its answer."""
    return await agent_of(member, upstream, text(said).then(Signal.HANG, after=1))


async def until_running(member: Member, run: Json, event: str = "TextDelta") -> None:
    """Waits for the run's first event of this type."""
    async with member.client.connect() as socket:
        query = "subscription ($id: ID!) { runEvents(runId: $id) { __typename } }"
        async for payload in socket.stream(query, id=run["id"]):
            if payload["data"]["runEvents"]["__typename"] == event:
                return


async def ids_of(member: Member, filter: Json | None, query: str = WORKSPACE_RUNS, id: str = "") -> list[str]:
    data = await member.client.execute(query, id=id or member.workspace_id, filter=filter)
    page = (data.get("workspace") or data["agent"])["runs"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["id"] for node in page["nodes"]]


async def test_a_run_goes_from_queued_to_succeeded_with_all_that_it_came_to(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(
        ada,
        upstream,
        text("Hel", "lo, ", "Ada.", usage=Usage(12, 5, cached_tokens=4)),
        instructions="Greet.",
        temperature=0.25,
        maxOutputTokens=50,
    )
    started = await start_run(ada, agent, "  Hi there,\nyou  ")
    assert (started["status"], started["lastSeq"]) == ("QUEUED", 1)
    assert (started["startedAt"], started["finishedAt"], started["outputText"]) == (None, None, None)
    assert started["input"] == "  Hi there,\nyou  "
    assert started["agent"] == {"id": agent["id"], "name": "Greeter"}
    assert started["agentVersion"] == {"id": agent["liveVersion"]["id"], "number": 1}
    assert started["thread"]["title"] == "Hi there, you"

    run = await finish(ada, started)
    assert (run["status"], run["outputText"], run["output"], run["failure"]) == ("SUCCEEDED", "Hello, Ada.", None, None)
    assert run["usage"] == FINISHED_USAGE
    assert started["createdAt"] <= run["startedAt"] <= run["finishedAt"]
    [step] = run["steps"]["nodes"]
    assert (step["kind"], step["status"], step["attempt"], step["failure"]) == ("MODEL", "SUCCEEDED", 1, None)
    assert step["name"] == f"openai_compatible/{model}"
    assert run["startedAt"] <= step["startedAt"] <= step["finishedAt"] <= run["finishedAt"]

    [exchange] = upstream.exchanges(model)
    assert exchange.headers["Authorization"] == "Bearer upstream-key"
    assert exchange.body["messages"] == [
        {"role": "system", "content": "Greet."},
        {"role": "user", "content": "  Hi there,\nyou  "},
    ]
    assert exchange.body["temperature"] == 0.25


async def test_a_thread_goes_on_and_the_model_is_told_what_was_said(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(ada, upstream, text("One."), text("Two."), instructions="Count.")
    first = await complete_run(ada, agent, "Start")
    second = await complete_run(ada, agent, "Next", threadId=first["thread"]["id"])
    assert second["thread"] == first["thread"]
    assert [(m["role"], m["content"]) for m in upstream.exchanges(model)[1].body["messages"]] == [
        ("system", "Count."),
        ("user", "Start"),
        ("assistant", "One."),
        ("user", "Next"),
    ]


async def test_runs_of_a_thread_take_turns_in_the_order_of_their_start(ada: Member, upstream: Upstream) -> None:
    agent, model = await agent_of(ada, upstream, text("a").pausing(0.05), text("b").pausing(0.05), text("c"))
    first = await start_run(ada, agent, "1")
    later = [await start_run(ada, agent, str(number), threadId=first["thread"]["id"]) for number in (2, 3)]
    assert [run["status"] for run in later] == ["QUEUED", "QUEUED"]
    runs = [await finish(ada, run) for run in (first, *later)]
    assert [run["outputText"] for run in runs] == ["a", "b", "c"]
    assert runs[0]["finishedAt"] <= runs[1]["startedAt"]
    said = [message["content"] for message in upstream.exchanges(model)[2].body["messages"]]
    assert said == ["1", "a", "2", "b", "3"]


async def test_a_busy_thread_can_be_refused(ada: Member, upstream: Upstream) -> None:
    agent, _ = await hanging_agent(ada, upstream)
    busy = await start_run(ada, agent)
    thread_id = busy["thread"]["id"]
    refused = await answer(
        ada.client, START_RUN, agentId=agent["id"], message="Hi", threadId=thread_id, ifBusy="REJECT"
    )
    assert (refused["__typename"], refused["code"]) == ("ConflictError", "CONFLICT")
    assert refused["path"] == ["input", "threadId"]
    assert await ids_of(ada, None) == [busy["id"]]
    await answer(ada.client, CANCEL_RUN, runId=busy["id"])
    quiet = await start_run(ada, await create_agent(ada), threadId=thread_id, ifBusy="REJECT")
    assert (await finish(ada, quiet))["status"] == "SUCCEEDED"


async def test_a_busy_thread_can_be_freed(ada: Member, upstream: Upstream) -> None:
    agent, model = await hanging_agent(ada, upstream)
    echo = await create_agent(ada)
    busy = await start_run(ada, agent)
    thread_id = busy["thread"]["id"]
    queued = await start_run(ada, echo, "Behind", threadId=thread_id)
    await until_running(ada, busy)
    run = await finish(ada, await start_run(ada, echo, "Now", threadId=thread_id, ifBusy="CANCEL"))
    assert (run["status"], run["outputText"]) == ("SUCCEEDED", "Now")
    assert [(await get_run(ada, each))["status"] for each in (busy, queued)] == ["CANCELLED", "CANCELLED"]
    await asyncio.wait_for(upstream.exchanges(model)[0].closed.wait(), 5)


async def test_cancelling_closes_the_providers_connection_and_keeps_what_was_said(
    ada: Member, upstream: Upstream
) -> None:
    agent, model = await hanging_agent(ada, upstream)
    run = await start_run(ada, agent)
    await until_running(ada, run)
    began = datetime.now(UTC)
    cancelled = await answer(ada.client, CANCEL_RUN, runId=run["id"])
    took = datetime.now(UTC) - began
    await asyncio.wait_for(upstream.exchanges(model)[0].closed.wait(), 5)

    assert cancelled["run"]["status"] == "CANCELLED"
    assert began <= datetime.fromisoformat(cancelled["providerClosedAt"]) <= datetime.now(UTC)
    assert took < timedelta(seconds=1)
    assert (cancelled["run"]["outputText"], cancelled["run"]["failure"]) == (None, None)
    assert cancelled["run"]["usage"]["llmCalls"] == 1
    assert cancelled["run"]["usage"]["outputTokens"] > 0, "what was spent until then"
    assert cancelled["run"]["usage"]["inputTokens"] > 0
    [step] = cancelled["run"]["steps"]["nodes"]
    assert step["status"] == "CANCELLED"
    assert await answer(ada.client, CANCEL_RUN, runId=run["id"]) == cancelled, "once more gives the same"

    query = "query ($id: ID!) { thread(id: $id) { messages { nodes { role text partial } } } }"
    thread = (await ada.client.execute(query, id=run["thread"]["id"]))["thread"]
    assert thread["messages"]["nodes"] == [
        {"role": "USER", "text": "Hello", "partial": False},
        {"role": "ASSISTANT", "text": "I will", "partial": True},
    ]
    events = await watch(ada.client, run)
    assert [event["__typename"] for event in events][-2:] == ["StepFinished", "RunFinished"]
    assert events[-1]["run"]["status"] == "CANCELLED"


async def test_a_queued_run_is_cancelled_without_a_provider(ada: Member, upstream: Upstream) -> None:
    agent, model = await hanging_agent(ada, upstream)
    busy = await start_run(ada, agent)
    queued = await start_run(ada, agent, threadId=busy["thread"]["id"])
    cancelled = await answer(ada.client, CANCEL_RUN, runId=queued["id"])
    assert (cancelled["run"]["status"], cancelled["providerClosedAt"]) == ("CANCELLED", None)
    assert (cancelled["run"]["startedAt"], cancelled["run"]["usage"]["llmCalls"]) == (None, 0)
    await answer(ada.client, CANCEL_RUN, runId=busy["id"])
    assert len(upstream.exchanges(model)) <= 1


async def test_many_may_cancel_one_run_at_once(ada: Member, upstream: Upstream) -> None:
    agent, _ = await hanging_agent(ada, upstream)
    run = await start_run(ada, agent)
    await until_running(ada, run)
    answers = await asyncio.gather(*(answer(ada.client, CANCEL_RUN, runId=run["id"]) for _ in range(5)))
    assert all(each == answers[0] for each in answers)
    assert answers[0]["run"]["status"] == "CANCELLED"


async def test_a_run_that_is_over_cannot_be_cancelled(ada: Member) -> None:
    run = await complete_run(ada, await create_agent(ada))
    refused = await answer(ada.client, CANCEL_RUN, runId=run["id"])
    assert (refused["__typename"], refused["code"], refused["path"]) == (
        "ConflictError",
        "CONFLICT",
        ["input", "runId"],
    )
    assert await get_run(ada, run) == run


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (failure(400, "No."), "PROVIDER_FAILED", False),
        (failure(503, "Later."), "PROVIDER_FAILED", True),
        (text("Half", "way").then(Signal.CUT, after=2), "PROVIDER_FAILED", True),
    ],
    ids=["refused", "overloaded", "cut"],
)
async def test_a_provider_that_fails_fails_the_run_with_the_reason(
    ada: Member, upstream: Upstream, reply: Any, code: str, retryable: bool
) -> None:
    agent, _ = await agent_of(ada, upstream, reply)
    run = await complete_run(ada, agent)
    assert (run["status"], run["outputText"]) == ("FAILED", None)
    assert (run["failure"]["code"], run["failure"]["retryable"]) == (code, retryable)
    assert run["failure"]["message"]
    [step] = run["steps"]["nodes"]
    assert (step["status"], step["failure"]) == ("FAILED", run["failure"])


async def test_a_fallback_answers_when_the_model_keeps_failing(ada: Member, upstream: Upstream) -> None:
    second = upstream.serve(text("Me."))
    agent, first = await agent_of(
        ada, upstream, failure(503, "Later."), fallbackModels=[f"openai_compatible/{second}", ECHO]
    )
    run = await complete_run(ada, agent)
    assert (run["status"], run["outputText"], run["usage"]["llmCalls"]) == ("SUCCEEDED", "Me.", 4)
    assert run["steps"]["nodes"][0]["name"] == f"openai_compatible/{second}"
    assert (len(upstream.exchanges(first)), len(upstream.exchanges(second))) == (3, 1)


async def test_an_answer_that_fits_the_output_schema_is_parsed_and_another_fails(
    ada: Member, upstream: Upstream
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    agent, model = await agent_of(ada, upstream, text('{"n":', " 3}"), text('{"n": "x"}'), outputSchema=schema)
    fits = await complete_run(ada, agent)
    assert (fits["status"], fits["output"], fits["outputText"]) == ("SUCCEEDED", {"n": 3}, '{"n": 3}')
    assert upstream.exchanges(model)[0].body["response_format"]["json_schema"]["schema"] == schema
    other = await complete_run(ada, agent)
    assert (other["status"], other["output"], other["failure"]["code"]) == ("FAILED", None, "VALIDATION_FAILED")


async def test_a_version_that_is_not_live_can_be_run(ada: Member, upstream: Upstream) -> None:
    agent, _ = await agent_of(ada, upstream, text("Old."))
    update = "mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { __typename } }"
    await ada.client.execute(update, input={"agentId": agent["id"], "config": {"model": ECHO}})
    old = await complete_run(ada, agent, "Hi", agentVersionId=agent["liveVersion"]["id"])
    new = await complete_run(ada, agent, "Hi")
    assert [(run["outputText"], run["agentVersion"]["number"]) for run in (old, new)] == [("Old.", 1), ("Hi", 2)]


async def test_an_archived_agent_is_not_run(ada: Member) -> None:
    agent = await create_agent(ada)
    archive = "mutation ($id: ID!) { archiveAgent(input: {agentId: $id}) { __typename } }"
    await ada.client.execute(archive, id=agent["id"])
    refused = await answer(ada.client, START_RUN, agentId=agent["id"], message="Hi")
    assert (refused["__typename"], refused["path"]) == ("ConflictError", ["input", "agentId"])


async def test_the_same_key_gives_the_same_run_however_often_it_is_sent(ada: Member) -> None:
    agent = await create_agent(ada)
    input = {"agentId": agent["id"], "message": "Once", "metadata": {"b": 1, "a": 2}, "idempotencyKey": new_key()}
    answers = await asyncio.gather(*(answer(ada.client, START_RUN, **input) for _ in range(20)))
    assert len({each["run"]["id"] for each in answers}) == 1
    assert sorted(each["replayed"] for each in answers) == [False] + [True] * 19
    run = await finish(ada, answers[0]["run"])
    again = await answer(ada.client, START_RUN, **input)
    assert (again["replayed"], again["run"]) == (True, run), "the run as it is now"
    other = await answer(ada.client, START_RUN, **input | {"message": "Twice"})
    assert (other["__typename"], other["code"]) == ("ConflictError", "IDEMPOTENCY_CONFLICT")
    assert other["path"] == ["input", "idempotencyKey"]
    assert await ids_of(ada, None) == [run["id"]]


@pytest.mark.parametrize(
    "metadata",
    ["", "text", 0, 7, -(2**63), 1.5, True, False, [], {}, ["a", [1, None]], {"é": {"deep": [None, "x"]}}, None],
    ids=repr,
)
async def test_metadata_comes_back_as_it_was_given(ada: Member, metadata: Any) -> None:
    run = await complete_run(ada, await create_agent(ada), metadata=metadata)
    assert run["metadata"] == metadata
    assert type(run["metadata"]) is type(metadata)


async def test_metadata_may_stand_in_the_document_itself(ada: Member) -> None:
    agent = await create_agent(ada)
    query = """mutation ($agentId: ID!, $deep: JSON) {
      startRun(input: {agentId: $agentId, message: "Hi", metadata: {a: 1, b: [1.5, "x", true, null], c: $deep}}) {
        ... on StartRunPayload { run { metadata } }
      }
    }"""
    data = await ada.client.execute(query, agentId=agent["id"], deep={"d": 2})
    assert data["startRun"]["run"]["metadata"] == {"a": 1, "b": [1.5, "x", True, None], "c": {"d": 2}}


async def test_runs_are_listed_newest_first_and_filtered(ada: Member, upstream: Upstream) -> None:
    echo = await create_agent(ada)
    failing, _ = await agent_of(ada, upstream, failure(400, "No."))
    succeeded, failed = await complete_run(ada, echo), await complete_run(ada, failing)
    last = await complete_run(ada, echo)
    everything = [last["id"], failed["id"], succeeded["id"]]
    assert await ids_of(ada, None) == everything
    assert await ids_of(ada, {}) == everything
    assert await ids_of(ada, {"status": None, "agentId": None, "createdAfter": None}) == everything
    assert await ids_of(ada, {"status": ["SUCCEEDED"]}) == [last["id"], succeeded["id"]]
    assert await ids_of(ada, {"status": ["FAILED", "SUCCEEDED"]}) == everything
    assert await ids_of(ada, {"status": []}) == []
    assert await ids_of(ada, {"status": ["QUEUED", "RUNNING", "WAITING", "CANCELLED"]}) == []
    assert await ids_of(ada, {"agentId": echo["id"]}) == [last["id"], succeeded["id"]]
    assert await ids_of(ada, {"agentId": echo["id"], "status": ["FAILED"]}) == []
    assert await ids_of(ada, {"agentId": unknown_id(echo["id"])}) == []
    assert await ids_of(ada, {"workflowId": "wf_01jdq2p0a0e5d8d3m4n5p6q7r8"}) == []
    assert await ids_of(ada, {"createdAfter": succeeded["createdAt"]}) == [last["id"], failed["id"]]
    assert await ids_of(ada, {"createdBefore": failed["createdAt"]}) == [succeeded["id"]]
    within = {"createdAfter": succeeded["createdAt"], "createdBefore": last["createdAt"]}
    assert await ids_of(ada, within) == [failed["id"]]
    assert await ids_of(ada, None, AGENT_RUNS, failing["id"]) == [failed["id"]]
    assert await ids_of(ada, {"status": ["SUCCEEDED"]}, AGENT_RUNS, echo["id"]) == [last["id"], succeeded["id"]]
    assert await ids_of(ada, {"agentId": failing["id"]}, AGENT_RUNS, echo["id"]) == []


async def test_runs_are_paged(ada: Member) -> None:
    agent = await create_agent(ada)
    started = [(await start_run(ada, agent))["id"] for _ in range(5)]
    for query, field, id in ((WORKSPACE_RUNS, "workspace", ada.workspace_id), (AGENT_RUNS, "agent", agent["id"])):
        first = (await ada.client.execute(query, id=id, first=3))[field]["runs"]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (5, True)
        rest = (await ada.client.execute(query, id=id, first=3, after=first["pageInfo"]["endCursor"]))[field]["runs"]
        assert [node["id"] for node in first["nodes"] + rest["nodes"]] == started[::-1]
        assert rest["pageInfo"]["hasNextPage"] is False


async def test_many_runs_at_once_all_end(ada: Member, executing: ServerProcess) -> None:
    agent = await create_agent(ada)
    runs = await asyncio.gather(*(start_run(ada, agent, f"Hello {number}") for number in range(20)))
    ended = await asyncio.gather(*(finish(ada, run) for run in runs))
    assert [run["outputText"] for run in ended] == [f"Hello {number}" for number in range(20)]
    assert {run["status"] for run in ended} == {"SUCCEEDED"}


async def test_a_long_answer_is_stored_whole(ada: Member, upstream: Upstream) -> None:
    tokens = numbered_tokens(3000)
    agent, _ = await agent_of(ada, upstream, text(*tokens))
    run = await complete_run(ada, agent)
    assert run["outputText"] == "".join(tokens)


async def test_the_largest_message_and_metadata_fit(ada: Member) -> None:
    message, metadata = "é" * (128 * 1024), "m" * (64 * 1024 - 2)
    run = await complete_run(ada, await create_agent(ada, maxOutputTokens=1), message, metadata=metadata)
    assert (run["status"], run["input"], run["metadata"]) == ("SUCCEEDED", message, metadata)

"""The npm clients of every transport, as web pages use them, against the real server."""

import asyncio
import json

import pytest

from tests.accounts import Member
from tests.client import Json
from tests.node.environment import run_node, start_node
from tests.operations import (
    RUN_EVENTS,
    STEP,
    USAGE,
    assert_dense,
    create_agent,
    event_of,
    sha256_of,
    start_run,
    text_of,
)
from tests.servers.process import ServerProcess
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(150)
# All of it as it was at that moment, so that it is the same for each who watches.
EVENTS = f"""subscription ($runId: ID!) {{
  runEvents(runId: $runId) {{
    __typename seq at
    ... on RunStarted {{ run {{ id status input createdAt }} }}
    ... on TextDelta {{ firstSeq stepId text }}
    ... on StepStarted {{ step {{ {STEP} }} }}
    ... on StepFinished {{ step {{ {STEP} }} }}
    ... on RunFinished {{ textSha256 run {{ id status outputText lastSeq finishedAt usage {{ {USAGE} }} }} }}
  }}
}}"""
CLIENTS = ("graphql-ws", "graphql-sse", "urql", "apollo", "meros")


async def slow_run(member: Member, upstream: Upstream) -> Json:
    """A run that takes a second or so, in which a client is killed and another one started."""
    model = upstream.serve(text(*TOKENS).pausing(0.01))
    return await start_run(member, await create_agent(member, f"openai_compatible/{model}"))


def events_of(lines: list[str]) -> list[Json]:
    """The events in a client's output, without what Apollo Client asks for by itself: the types of objects in them."""

    def asked_for(found: Json) -> Json:
        return found if "seq" in found else {key: value for key, value in found.items() if key != "__typename"}

    return [event_of(json.loads(line, object_hook=asked_for)) for line in lines]


def without_deltas(events: list[Json]) -> list[Json]:
    """All but deltas, which may reach each client in other pieces."""
    return [event for event in events if event["__typename"] != "TextDelta"]


async def test_every_client_gets_the_same_run(ada: Member, executing: ServerProcess, upstream: Upstream) -> None:
    run = await slow_run(ada, upstream)
    arguments = (f"{executing.url}/graphql", ada.access_token, EVENTS, json.dumps({"runId": run["id"]}))
    watched = await asyncio.gather(*(run_node("subscribe.mjs", client, *arguments) for client in CLIENTS))
    assert [(done.returncode, done.stderr) for done in watched] == [(0, "")] * len(CLIENTS)
    first, *others = [events_of(done.stdout.splitlines()) for done in watched]
    for events in (first, *others):
        assert_dense(events)
        assert text_of(events) == "".join(TOKENS)
        assert events[-1]["textSha256"] == sha256_of(events)
        assert without_deltas(events) == without_deltas(first)


@pytest.mark.parametrize("npm_client", ["graphql-ws", "graphql-sse"])
async def test_a_client_that_is_killed_goes_on_from_where_it_was(
    ada: Member, executing: ServerProcess, upstream: Upstream, npm_client: str
) -> None:
    url = f"{executing.url}/graphql"
    run = await slow_run(ada, upstream)
    variables: Json = {"runId": run["id"]}
    client = await start_node("subscribe.mjs", npm_client, url, ada.access_token, RUN_EVENTS, json.dumps(variables))
    assert client.stdout is not None
    async with asyncio.timeout(30):
        lines = [(await client.stdout.readline()).decode() for _ in range(4)]
    client.kill()
    await client.communicate()
    seen = events_of(lines)
    assert_dense(seen)

    variables |= {"after": seen[-1]["seq"], "delivery": {"maxHz": 60}}
    done = await run_node("subscribe.mjs", npm_client, url, ada.access_token, RUN_EVENTS, json.dumps(variables))
    assert (done.returncode, done.stderr) == (0, "")
    rest = events_of(done.stdout.splitlines())
    assert_dense(rest, seen[-1]["seq"])
    assert text_of(seen + rest) == "".join(TOKENS)
    assert rest[-1]["textSha256"] == sha256_of(seen + rest)


async def test_a_refused_operation_is_told(ada: Member, executing: ServerProcess) -> None:
    url = f"{executing.url}/graphql"
    done = await run_node("subscribe.mjs", "graphql-ws", url, ada.access_token, "subscription { nothing }", "{}")
    assert (done.returncode, done.stdout) == (1, "")
    [error] = json.loads(done.stderr)["errors"]
    assert error["extensions"]["code"] == "VALIDATION_FAILED"

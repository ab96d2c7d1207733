"""The plain npm graphql-ws client, as web pages use it, against the real server."""

import asyncio
import json

from tests.accounts import Member
from tests.client import Json
from tests.node.environment import run_node, start_node
from tests.operations import RUN_EVENTS, assert_dense, create_agent, event_of, sha256_of, start_run, text_of
from tests.servers.process import ServerProcess
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(150)


async def slow_run(member: Member, upstream: Upstream) -> Json:
    """A run that takes a second or so, in which a client is killed and another one started."""
    model = upstream.serve(text(*TOKENS).pausing(0.01))
    return await start_run(member, await create_agent(member, f"openai_compatible/{model}"))


def events_of(lines: list[str]) -> list[Json]:
    return [event_of(json.loads(line)) for line in lines]


async def test_a_client_that_is_killed_goes_on_from_where_it_was(
    ada: Member, executing: ServerProcess, upstream: Upstream
) -> None:
    url = f"{executing.url}/graphql"
    run = await slow_run(ada, upstream)
    client = await start_node("subscribe.mjs", url, ada.access_token, RUN_EVENTS, json.dumps({"runId": run["id"]}))
    assert client.stdout is not None
    async with asyncio.timeout(30):
        lines = [(await client.stdout.readline()).decode() for _ in range(4)]
    client.kill()
    await client.communicate()
    seen = events_of(lines)
    assert_dense(seen)

    variables = {"runId": run["id"], "after": seen[-1]["seq"], "delivery": {"maxHz": 60}}
    done = await run_node("subscribe.mjs", url, ada.access_token, RUN_EVENTS, json.dumps(variables))
    assert (done.returncode, done.stderr) == (0, "")
    rest = events_of(done.stdout.splitlines())
    assert_dense(rest, seen[-1]["seq"])
    assert text_of(seen + rest) == "".join(TOKENS)
    assert rest[-1]["textSha256"] == sha256_of(seen + rest)


async def test_a_refused_operation_is_told(ada: Member, executing: ServerProcess) -> None:
    url = f"{executing.url}/graphql"
    done = await run_node("subscribe.mjs", url, ada.access_token, "subscription { nothing }", "{}")
    assert (done.returncode, done.stdout) == (1, "")
    [error] = json.loads(done.stderr)["errors"]
    assert error["extensions"]["code"] == "VALIDATION_FAILED"

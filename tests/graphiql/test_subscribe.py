"""The plain npm graphql-ws client, as web pages use it, run from Python."""

import json

from tests.node.environment import run_node

TICKS = "subscription ($to: Int!) { ticks(to: $to) { number authorization } }"


async def test_each_event_is_a_line_until_the_server_completes(origin: str) -> None:
    done = await run_node("subscribe.mjs", f"{origin}/graphql", "t0ken", TICKS, '{"to": 2}')
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"data": {"ticks": {"number": number, "authorization": "Bearer t0ken"}}} for number in (1, 2)
    ]


async def test_a_refused_operation_is_told_and_exits_non_zero(origin: str) -> None:
    done = await run_node("subscribe.mjs", f"{origin}/graphql", "t0ken", "subscription { nothing }", "{}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing" in json.loads(done.stderr)["errors"][0]["message"]


async def test_a_socket_that_does_not_open_is_told_and_exits_non_zero(origin: str) -> None:
    done = await run_node("subscribe.mjs", f"{origin}/elsewhere", "t0ken", TICKS, '{"to": 2}')
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)

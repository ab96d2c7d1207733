"""The example clients against a running server, from signing up to reading the usage."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import ids
from core.auth import KeyRing
from core.ids import IdPrefix
from tests.accounts import SIGN_OUT, Member
from tests.e2e.clients.cutting_proxy import cutting_proxy
from tests.e2e.clients.environment import SCRIPTS, run_python, run_typescript
from tests.operations import create_agent, start_run
from tests.servers.app import SECRET_KEYS
from tests.servers.process import ServerProcess
from tests.upstream.replies import Usage, numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(60)
TEXT = "".join(TOKENS)
FAR = "2999-01-01T00:00:00Z"

Run = Callable[..., Awaitable[str]]
EXAMPLES: list[Any] = [
    pytest.param(run_typescript, ["src/example.ts"], id="typescript"),
    pytest.param(run_python, ["-m", "synapse_client.example"], id="python"),
]
CLIENTS: list[Any] = [
    pytest.param(run_typescript, ".mjs", id="typescript"),
    pytest.param(run_python, ".py", id="python"),
]


@pytest.mark.parametrize(("run", "example"), EXAMPLES)
async def test_the_example_runs_from_signing_up_to_the_usage_though_its_stream_breaks_off(
    executing: ServerProcess, upstream: Upstream, run: Run, example: list[str]
) -> None:
    model = f"openai_compatible/{upstream.serve(text(*TOKENS, usage=Usage(9, 60)).pausing(0.02))}"
    async with cutting_proxy(executing.url, 700, 900) as proxy:
        output = await run(*example, "--url", proxy.url, "--model", model)
        assert proxy.cuts_left == 0, output
    answer, _, rest = output.partition("\n\n")
    assert answer == TEXT
    lines = rest.splitlines()
    assert re.fullmatch(r"SUCCEEDED after \d+ events", lines[0])
    assert lines[1] == "The text matches its SHA-256."
    assert re.fullmatch(r"2\S+ run_\w{26} SUCCEEDED", lines[2])
    assert lines[3:] == ["Usage: 9 tokens in, 60 out, 0 US dollars", f"  {model}: 1 calls, 0 US dollars"]


@pytest.mark.parametrize(("run", "suffix"), CLIENTS)
async def test_a_client_whose_token_expires_gets_a_new_one_and_goes_on(
    ada: Member, executing: ServerProcess, upstream: Upstream, run: Run, suffix: str
) -> None:
    agent = await create_agent(ada, f"openai_compatible/{upstream.serve(text(*TOKENS).pausing(0.06))}")
    started = await start_run(ada, agent)
    tokens = tokens_of(ada, lifetime=timedelta(seconds=2))
    followed = await follow(run, suffix, executing, tokens, started["id"])
    assert followed == {"text": TEXT, "matches": True, "refreshed": True}


@pytest.mark.parametrize(("run", "suffix"), CLIENTS)
async def test_a_client_whose_session_has_ended_is_told_so(
    ada: Member, executing: ServerProcess, run: Run, suffix: str
) -> None:
    started = await start_run(ada, await create_agent(ada))
    tokens = tokens_of(ada, lifetime=timedelta(hours=1))
    await ada.client.execute(SIGN_OUT)
    followed = await follow(run, suffix, executing, tokens, started["id"])
    assert "session" in followed["failure"] or "refresh token" in followed["failure"]


@pytest.mark.parametrize(("run", "suffix"), CLIENTS)
async def test_a_run_that_is_not_there_is_refused_at_once(
    ada: Member, executing: ServerProcess, run: Run, suffix: str
) -> None:
    tokens = tokens_of(ada, lifetime=timedelta(hours=1))
    followed = await follow(run, suffix, executing, tokens, "run_01k9zzzzzzzzzzzzzzzzzzzzzz")
    assert "run" in followed["failure"].lower()


@pytest.mark.parametrize(("run", "suffix"), CLIENTS)
async def test_what_is_taken_back_is_dropped_from_that_step_alone(run: Run, suffix: str) -> None:
    def delta(seq: int, step: str, said: str) -> dict[str, Any]:
        return {"__typename": "TextDelta", "seq": seq, "firstSeq": seq, "stepId": step, "text": said}

    events = [
        delta(1, "step_a", "One. "),
        delta(2, "step_b", "Tw"),
        delta(3, "step_a", "More. "),
        {"__typename": "RunRewound", "seq": 4, "stepId": "step_b", "toSeq": 1},
        delta(5, "step_b", "Two."),
        {"__typename": "StepFinished", "seq": 6},
    ]
    assert json.loads(await run(script("transcript", suffix), json.dumps(events))) == "One. More. Two."


def tokens_of(member: Member, lifetime: timedelta) -> dict[str, str]:
    """The member's session, with an access token of that life which the client takes for a long-lived one."""
    keys = KeyRing.parse(SECRET_KEYS)
    session_id = keys.verify_access_token(member.access_token).session_id
    token, _ = keys.issue_access_token(ids.decode(IdPrefix.USER, member.user_id), session_id, lifetime)
    return {"accessToken": token, "refreshToken": member.refresh_token, "expiresAt": FAR}


async def follow(run: Run, suffix: str, server: ServerProcess, tokens: dict[str, str], run_id: str) -> dict[str, Any]:
    followed = json.loads(await run(script("follow", suffix), server.url, json.dumps(tokens), run_id))
    assert isinstance(followed, dict)
    return followed


def script(name: str, suffix: str) -> Path:
    return SCRIPTS / f"{name}{suffix}"

"""What the TypeScript client sends of its documents: their hashes, and a text only where the server asks for it."""

import json
from uuid import uuid4

import pytest

from tests.conftest import MANIFEST
from tests.e2e.clients.environment import SCRIPTS, run_typescript
from tests.servers.app import Server


@pytest.mark.parametrize("trusted", [False, True])
async def test_a_text_is_sent_once_to_a_server_that_does_not_know_it(server: Server, trusted: bool) -> None:
    emails = [f"{uuid4().hex}@example.com" for _ in range(2)]
    output = await run_typescript(SCRIPTS / "sign_up.mjs", server.url, json.dumps(trusted), *emails)
    told = json.loads(output)
    assert told["results"] == ["SessionPayload", "SessionPayload"]
    hashes = {body["extensions"]["persistedQuery"]["sha256Hash"] for body in told["bodies"]}
    assert len(hashes) == 1
    assert [("query" in body) for body in told["bodies"]] == ([False, False] if trusted else [False, True, False])
    assert (f"sha256:{hashes.pop()}" in json.loads(MANIFEST.read_text())) is trusted

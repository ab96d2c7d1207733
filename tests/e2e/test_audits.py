"""GraphQL over HTTP, as its reference implementation judges it: https://github.com/graphql/graphql-http."""

import json

from tests.node.environment import run_node
from tests.servers.app import Server

AUDITS = 61


async def test_all_audits_pass_the_optional_ones_too(server: Server) -> None:
    done = await run_node("audits.mjs", f"{server.url}/graphql")
    assert (done.returncode, done.stderr) == (0, "")
    audits = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [f"{audit['id']} {audit['name']}: {audit['reason']}" for audit in audits if audit["status"] != "ok"]
    assert failed == []
    assert len({audit["id"] for audit in audits}) == AUDITS

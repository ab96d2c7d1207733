"""The example page in a real Chromium: it talks to an agent with no server in between."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from tests.accounts import Member
from tests.client import Json
from tests.e2e.api_keys import make_key
from tests.e2e.test_graphiql import CHROMIUM
from tests.node.environment import run_node
from tests.operations import create_agent
from tests.servers.process import ServerProcess

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "browser"
RUNS = """query ($id: ID!) {
  workspace(id: $id) { runs { nodes { input status thread { id } endUser { id externalId } startedByKey { id } } } }
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def serving(**environment: str) -> AsyncIterator[str]:
    """The page's own server; its address."""
    port = environment["PORT"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE / "server.py"), env=os.environ | environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                    writer.close()
                    break
                except OSError:
                    assert process.returncode is None, "it does not start"
                    await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no chromium on this machine")
async def test_two_people_talk_to_an_agent_from_the_page(ada: Member, executing: ServerProcess) -> None:
    port = str(free_port())
    agent = await create_agent(ada)
    server_key = await make_key(ada, "WRITE", "END_USERS")
    page_key = await make_key(ada, "READ", "RUN", kind="BROWSER", allowedOrigins=[f"http://127.0.0.1:{port}"])
    environment = {
        "SYNAPSE_URL": f"{executing.url}/graphql",
        "WORKSPACE_ID": ada.workspace_id,
        "AGENT_ID": agent["id"],
        "SYNAPSE_KEY": server_key["secret"],
        "BROWSER_KEY": page_key["secret"],
        "PORT": port,
    }
    async with serving(**environment) as url:
        done = await run_node("browser_example.mjs", f"{url}/", "Hello there", "And again", timeout_s=120)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["complaints"] == []
    assert seen["shown"] == [
        [["user", "Hello there"], ["assistant", "Hello there"], ["user", "And again"], ["assistant", "And again"]],
        [["user", "Hello there"], ["assistant", "Hello there"]],
    ]
    own = (url, f"{executing.url}/graphql".replace("http", "ws"), "data:")
    assert [address for address in seen["requests"] if not address.startswith(own)] == []
    assert all(set(operation) == {"documentId", "variables"} for operation in seen["sent"])
    runs: list[Json] = (await ada.client.execute(RUNS, id=ada.workspace_id))["workspace"]["runs"]["nodes"]
    other, second, first = runs
    assert {run["status"] for run in runs} == {"SUCCEEDED"}
    assert {run["startedByKey"]["id"] for run in runs} == {page_key["apiKey"]["id"]}
    assert first["endUser"] == second["endUser"] != other["endUser"]
    assert first["thread"] == second["thread"] != other["thread"]


@pytest.mark.parametrize("operation", sorted((EXAMPLE / "operations").glob("*.graphql")), ids=lambda path: path.stem)
def test_its_operations_are_valid(operation: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(operation.read_text())) == []

"""The GraphiQL page in a real Chromium, against the real server."""

import json
import os
from pathlib import Path

import aiohttp
import pytest
from graphql import build_schema, parse, validate

from tests.accounts import Member, sign_up
from tests.node.environment import run_node
from tests.operations import complete_run, create_agent, text_of
from tests.servers.process import ServerProcess

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "graphiql" / "src" / "operations").glob("*.graphql"))
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
RUN_EVENTS = """subscription RunEvents($runId: ID!) {
  runEvents(runId: $runId) {
    __typename
    ... on TextDelta { text }
  }
}
"""


async def test_a_browser_gets_the_page(executing: ServerProcess) -> None:
    assert (ROOT / "graphiql" / "dist" / "index.html").exists(), "The page is not built: run `make graphiql`."
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{executing.url}/graphql", headers={"Accept": "text/html,*/*;q=0.8"}) as page,
    ):
        assert (page.status, page.content_type) == (200, "text/html")
        assert "Synapse" in await page.text()


@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no chromium on this machine")
async def test_the_page_works_over_both_transports_with_nothing_but_its_own_origin(
    ada: Member, executing: ServerProcess, tmp_path: Path
) -> None:
    run, bob = await complete_run(ada, await create_agent(ada)), await sign_up(executing)
    url, picture, variables = f"{executing.url}/graphql", tmp_path / "graphiql.png", json.dumps({"runId": run["id"]})
    done = await run_node(
        "graphiql.mjs", url, ada.access_token, str(picture), RUN_EVENTS, variables, bob.access_token, timeout_s=90
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    assert seen["complaints"] == []
    assert seen["title"] == "Synapse"
    assert seen["tabs"] == ["Viewer", "StartRun", "RunEvents"]
    assert picture.stat().st_size > 10_000

    viewer = json.loads(seen["first"])["data"]["viewer"]
    assert viewer["email"] == ada.email, "the token of the address is sent by POST"
    events = [result["runEvents"] for result in shown(json.loads(seen["query"]))]
    assert [events[0]["__typename"], events[-1]["__typename"]] == ["RunStarted", "RunFinished"]
    assert text_of(events) == "Hello"
    [error] = json.loads(seen["again"])["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND", "the new token holds at once, and sees no run of the other"
    assert seen["inits"] == [{"Authorization": f"Bearer {member.access_token}"} for member in (ada, bob)]

    assert seen["address"] == url, "the token does not stay in the address"
    assert ada.access_token not in seen["stored"], "nor does it outlive the browser tab"
    own = (f"{executing.url}/", f"{executing.url}/".replace("http", "ws"))
    assert [address for address in seen["requests"] if not address.startswith(own)] == []


def shown(result: dict[str, object]) -> list[dict[str, dict[str, str]]]:
    """The results of a subscription, oldest first: the page shows the newest one above the earlier ones."""
    earlier = result.get("earlier", [])
    assert isinstance(earlier, list)
    return [*earlier[::-1], result["data"]]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_operations_that_the_page_offers_are_valid(sample: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(sample.read_text())) == []

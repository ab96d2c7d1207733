"""The GraphiQL page in a real Chromium."""

import json
import os
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from tests.node.environment import run_node

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "graphiql" / "src" / "operations").glob("*.graphql"))
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
TICKS = "subscription Ticks($to: Int!) {\n  ticks(to: $to) {\n    number\n    authorization\n  }\n}\n"


@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no chromium on this machine")
async def test_the_page_works_over_both_transports_with_nothing_but_its_own_origin(origin: str, tmp_path: Path) -> None:
    picture = tmp_path / "graphiql.png"
    done = await run_node(
        "graphiql.mjs", f"{origin}/graphql", "t0ken", str(picture), TICKS, '{ "to": 3 }', "0ther", timeout_s=90
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    assert seen["complaints"] == []
    assert seen["title"] == "Synapse"
    assert seen["tabs"] == ["Viewer", "StartRun", "RunEvents"]
    assert picture.stat().st_size > 10_000

    first = json.loads(seen["first"])["data"]["viewer"]
    assert first["name"] == "Bearer t0ken", "the token of the address is sent by POST"
    assert json.loads(seen["query"]) == {
        "data": {"ticks": {"number": 3, "authorization": "Bearer t0ken"}},
        "earlier": [{"ticks": {"number": number, "authorization": "Bearer t0ken"}} for number in (2, 1)],
    }
    assert json.loads(seen["again"])["data"]["ticks"]["authorization"] == "Bearer 0ther", "the new token holds at once"
    assert seen["inits"] == [{"Authorization": "Bearer t0ken"}, {"Authorization": "Bearer 0ther"}]

    assert seen["address"] == f"{origin}/graphql", "the token does not stay in the address"
    assert "t0ken" not in seen["stored"], "nor does it outlive the browser tab"
    own = (f"{origin}/", f"{origin}/".replace("http", "ws"))
    assert [address for address in seen["requests"] if not address.startswith(own)] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_operations_that_the_page_offers_are_valid(sample: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(sample.read_text())) == []

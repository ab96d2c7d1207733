"""The schema breaks no client of the last release: ``released.graphql`` is the schema as it was then."""

import json
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema
from graphql.utilities import DangerousChangeType, find_breaking_changes, find_dangerous_changes

from tests.schema.tools.environment import COMMITTED, run_tool

RELEASED = Path(__file__).with_name("released.graphql")
CHANGED_DEFAULTS = {DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE, DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE}


def schema_of(file: Path) -> GraphQLSchema:
    return build_schema(file.read_text())


def breaking_for_graphql_core(newer: Path) -> list[str]:
    older, changed = schema_of(RELEASED), schema_of(newer)
    breaking = [change.description for change in find_breaking_changes(older, changed)]
    dangerous = [change for change in find_dangerous_changes(older, changed) if change.type in CHANGED_DEFAULTS]
    return breaking + [change.description for change in dangerous]


async def breaking_for_inspector(newer: Path) -> list[str]:
    changes = json.loads(await run_tool("changes.mjs", RELEASED, newer))
    return [change["message"] for change in changes if change["level"] == "BREAKING"]


async def test_nothing_that_was_released_is_broken() -> None:
    assert breaking_for_graphql_core(COMMITTED) == []
    assert await breaking_for_inspector(COMMITTED) == []


@pytest.mark.parametrize(
    ("released", "changed"),
    [
        ("  lastSeq: Int!\n", "  newestSeq: Int!\n"),
        ("  outputText: String\n", "  outputText: Int\n"),
        ("  STEPS_EXCEEDED\n", "  STEPS_SPENT\n"),
        ("  slug: String\n", "  slug: String!\n"),
        ("union SignOutResult = SignOutPayload | ForbiddenError", "union SignOutResult = SignOutPayload"),
    ],
    ids=["field renamed", "type changed", "enum value removed", "input made required", "union member removed"],
)
async def test_a_change_that_breaks_clients_is_noticed(tmp_path: Path, released: str, changed: str) -> None:
    text = RELEASED.read_text()
    assert text.count(released) == 1
    broken = tmp_path / "broken.graphql"
    broken.write_text(text.replace(released, changed))
    assert breaking_for_graphql_core(broken)
    assert await breaking_for_inspector(broken)


@pytest.mark.parametrize("changed", ["  maxHz: Int! = 60\n", "  maxHz: Int!\n"], ids=["another", "none"])
def test_a_default_that_changes_is_noticed(tmp_path: Path, changed: str) -> None:
    broken = tmp_path / "broken.graphql"
    broken.write_text(RELEASED.read_text().replace("  maxHz: Int! = 30\n", changed))
    assert breaking_for_graphql_core(broken)

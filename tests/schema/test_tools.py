"""The schema pleases the tools with which clients are built."""

import json
import shutil
from pathlib import Path

import pytest

from tests.schema.tools.environment import COMMITTED, TOOLS, run_tool

ESLINT = "node_modules/eslint/bin/eslint.js"
ESLINT_OPTIONS = ("--no-config-lookup", "--config", TOOLS / "eslint.config.mjs")


async def test_eslint_finds_no_fault() -> None:
    assert await run_tool(ESLINT, *ESLINT_OPTIONS, COMMITTED.name) == ""


async def test_eslint_finds_faults_where_there_are_some(tmp_path: Path) -> None:
    schema = COMMITTED.read_text().replace("  totalCount: Int!\n}\n", "  totalCount: Int!\n  total_pages: Int!\n}\n", 1)
    (tmp_path / "schema.graphql").write_text(schema)
    with pytest.raises(AssertionError, match="total_pages"):
        await run_tool(ESLINT, *ESLINT_OPTIONS, "schema.graphql", cwd=tmp_path)


async def test_relay_compiles_pages_refetches_updates_and_subscriptions(tmp_path: Path) -> None:
    shutil.copytree(TOOLS / "relay", tmp_path / "src")
    shutil.copy(COMMITTED, tmp_path)
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    settings = {"src": "src", "schema": "schema.graphql", "language": "javascript", "artifactDirectory": "artifacts"}
    (tmp_path / "relay.config.json").write_text(json.dumps(settings))
    await run_tool("node_modules/relay-compiler/cli.js", "relay.config.json", cwd=tmp_path)
    compiled = {file.name.removesuffix(".graphql.js") for file in artifacts.iterdir()}
    assert {"AgentsPaginationQuery", "AgentRefetchQuery", "AgentsRunEventsSubscription"} <= compiled

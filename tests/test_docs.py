"""What the documentation shows is what runs."""

import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    "ts": ROOT / "clients/typescript/src",
    "python": ROOT / "clients/python/synapse_client",
    "graphql": ROOT / "clients/operations",
}
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)`")
SNIPPETS = FENCED.findall((ROOT / "docs/api.md").read_text())


@pytest.mark.parametrize(("language", "snippet"), SNIPPETS)
def test_snippets_for_client_authors_are_those_of_the_example_clients(language: str, snippet: str) -> None:
    texts = [file.read_text() for file in SOURCES[language].iterdir() if file.is_file()]
    assert any(indent(dedent(snippet), " " * by) in text for text in texts for by in range(0, 17, 2))


@pytest.mark.parametrize("page", ["guarantees.md", "security.md"])
def test_promises_name_tests_that_there_are(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(NAMED_TEST.findall(text))
    assert len(named) > 10
    assert [test for test in sorted(named) if not (ROOT / test).is_file()] == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert [row for row in rows if page == "security.md" and not NAMED_TEST.search(row)] == []

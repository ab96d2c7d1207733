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
SNIPPETS = FENCED.findall((ROOT / "docs/api.md").read_text())


@pytest.mark.parametrize(("language", "snippet"), SNIPPETS)
def test_snippets_for_client_authors_are_those_of_the_example_clients(language: str, snippet: str) -> None:
    texts = [file.read_text() for file in SOURCES[language].iterdir() if file.is_file()]
    assert any(indent(dedent(snippet), " " * by) in text for text in texts for by in range(0, 17, 2))

"""The store of documents: what it keeps, what it lets go, and which manifests it takes."""

import json
from pathlib import Path

import pytest

from core.errors import StartupRefused
from services import persisted_documents
from services.persisted_documents import PersistedDocuments, digest_of


def register(documents: PersistedDocuments, *texts: str) -> None:
    for text in texts:
        documents.register(digest_of(text), text)


def kept(documents: PersistedDocuments, *texts: str) -> list[bool]:
    return [documents.find(digest_of(text)) == text for text in texts]


def test_the_longest_unused_goes_first_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted_documents, "MAX_REGISTERED", 2)
    documents = PersistedDocuments()
    register(documents, "a", "b")
    documents.find(digest_of("a"))
    register(documents, "c")
    assert kept(documents, "a", "b", "c") == [True, False, True]


def test_the_bytes_of_all_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # One wide character takes as much as four others, and has all beside it take as much.
    narrow, wide = "a" * 4_000, "b" * 999 + "\U0001f600"
    monkeypatch.setattr(persisted_documents, "MAX_REGISTERED_BYTES", 9_000)
    documents = PersistedDocuments()
    register(documents, narrow, wide, "c" * 4_000, "d" * 9_000)
    assert kept(documents, narrow, wide, "c" * 4_000, "d" * 9_000) == [False, True, True, False]


def test_a_manifest_is_never_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(persisted_documents, "MAX_REGISTERED", 1)
    path = tmp_path / "persisted-documents.json"
    path.write_text(json.dumps({f"sha256:{digest_of('a')}": "a", digest_of("b"): "b"}))
    documents = PersistedDocuments.from_manifest(path)
    register(documents, "c", "d")
    assert kept(documents, "a", "b", "c", "d") == [True, True, False, True]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"x": "a"}', json.dumps({digest_of("a"): "b"}), json.dumps({digest_of("a"): 5}), "\udcff"]
)
def test_a_manifest_that_is_none_keeps_the_server_from_starting(tmp_path: Path, content: str) -> None:
    path = tmp_path / "persisted-documents.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(StartupRefused, match="PERSISTED_DOCUMENTS"):
        PersistedDocuments.from_manifest(path)


def test_a_manifest_that_is_missing_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match="can't be read"):
        PersistedDocuments.from_manifest(tmp_path / "nowhere.json")

"""GraphQL documents that clients may name by their SHA-256: those of a manifest, and those that clients sent."""

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from sys import getsizeof

from core.errors import StartupRefused

MAX_REGISTERED = 1_000
MAX_REGISTERED_BYTES = 8_000_000

_KEY = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class PersistedDocuments:
    """Texts by the lower-case hex of their SHA-256.

    What clients register lives in this process alone, and the longest unused goes first where there is too much: a
    client that finds its document missing sends it again, which costs one round trip.
    """

    def __init__(self, trusted: Mapping[str, str] | None = None) -> None:
        self._trusted = dict(trusted or {})
        self._registered: OrderedDict[str, str] = OrderedDict()
        self._registered_bytes = 0

    @classmethod
    def from_manifest(cls, path: Path | None) -> "PersistedDocuments":
        """With the documents of a ``persisted-documents.json`` as GraphQL Code Generator writes it: texts by SHA-256,
        which may say ``sha256:`` in front.

        Raises:
            StartupRefused: the file can't be read, is none, or holds a text under the hash of another.
        """
        return cls(_read(path) if path else None)

    def find(self, digest: str) -> str | None:
        """The document with this SHA-256, if it is known here."""
        if digest in self._registered:
            self._registered.move_to_end(digest)
        return self._trusted.get(digest) or self._registered.get(digest)

    def register(self, digest: str, text: str) -> None:
        """Keep a document, whose SHA-256 the caller has checked."""
        size = getsizeof(text)
        if digest in self._trusted or digest in self._registered or size > MAX_REGISTERED_BYTES:
            return
        self._registered[digest] = text
        self._registered_bytes += size
        while len(self._registered) > MAX_REGISTERED or self._registered_bytes > MAX_REGISTERED_BYTES:
            _, oldest = self._registered.popitem(last=False)
            self._registered_bytes -= getsizeof(oldest)


def digest_of(text: str) -> str:
    """The SHA-256 of a document's UTF-8, in lower-case hex."""
    return sha256(text.encode()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StartupRefused(f"PERSISTED_DOCUMENTS: {path} can't be read: {error}.") from None
    if not isinstance(manifest, dict):
        raise StartupRefused(f"PERSISTED_DOCUMENTS: {path} must hold one JSON object, of documents by their SHA-256.")
    documents = {}
    for key, text in manifest.items():
        match = _KEY.fullmatch(key)
        if not match or not isinstance(text, str) or digest_of(text) != match[1]:
            raise StartupRefused(f"PERSISTED_DOCUMENTS: in {path}, {key} is not the SHA-256 of its document.")
        documents[match[1]] = text
    return documents

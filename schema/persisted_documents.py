"""Operations whose document comes as its SHA-256, over every transport.

The protocol is Apollo's, which urql and Relay's networks speak too: a client sends
``extensions: {persistedQuery: {version: 1, sha256Hash}}`` without a query. Told PersistedQueryNotFound, it sends both,
and from then on the hash will do. See https://www.apollographql.com/docs/apollo-server/performance/apq
"""

from collections.abc import Mapping
from typing import Any

from core.errors import PersistedQueryNotFound, ValidationFailed
from schema.execution import Schema
from services.persisted_documents import PersistedDocuments, digest_of

_PATH = ("extensions", "persistedQuery")


def document_of(
    documents: PersistedDocuments, schema: Schema, query: str | None, extensions: Mapping[str, Any] | None
) -> str | None:
    """The text to execute for what a client sent; a new text that came with its hash is kept, if it is valid.

    Raises:
        PersistedQueryNotFound: the client has to send the text along.
        ValidationFailed: the extension is malformed, or its hash is not that of the text.
    """
    match (extensions or {}).get("persistedQuery"):
        case None:
            return query
        case {"version": 1, "sha256Hash": str(given)}:
            digest = given.lower()
        case _:
            raise ValidationFailed("persistedQuery must be {version: 1, sha256Hash: ...}.", _PATH)
    known = documents.find(digest)
    if not query:
        if known is None:
            raise PersistedQueryNotFound
        return known
    if query != known:
        if digest_of(query) != digest:
            raise ValidationFailed("The sha256Hash is not that of the query.", _PATH)
        if schema.is_valid(query):
            documents.register(digest, query)
    return query

"""Operations whose document comes as its SHA-256, over every transport.

The protocol is Apollo's, which urql and Relay's networks speak too: a client sends
``extensions: {persistedQuery: {version: 1, sha256Hash}}`` without a query. Told PersistedQueryNotFound, it sends both,
and from then on the hash will do. See https://www.apollographql.com/docs/apollo-server/performance/apq
"""

from collections.abc import Mapping
from typing import Any

from core.errors import PersistedQueryNotFound, ValidationFailed
from core.principals import Principal
from schema.execution import Schema
from services import trusted_operations
from services.persisted_documents import PersistedDocuments, digest_of

ID_PREFIX = "sha256:"
_PATH = ("extensions", "persistedQuery")


def with_document_id(extensions: Mapping[str, Any] | None, document_id: str | None) -> dict[str, Any] | None:
    """A document's id (``sha256:HEX``), as the specification of GraphQL over HTTP has it, is Apollo's hash in brief."""
    if document_id is None:
        return None if extensions is None else dict(extensions)
    digest = document_id.removeprefix(ID_PREFIX)
    return {**(extensions or {}), "persistedQuery": {"version": 1, "sha256Hash": digest}}


async def document_of(
    documents: PersistedDocuments,
    schema: Schema,
    principal: Principal | None,
    query: str | None,
    extensions: Mapping[str, Any] | None,
) -> str | None:
    """The text to execute for what a client sent; a new text that came with its hash is kept, if it is valid. On a web
    page by a browser key, only what its workspace trusts.

    Raises:
        PersistedQueryNotFound: the client has to send the text along.
        ValidationFailed: the extension is malformed, or its hash is not that of the text.
        Forbidden: the workspace does not trust it.
    """
    digest = _digest_in(extensions)
    if principal is not None and principal.on_page:
        return await trusted_operations.find(principal, digest_of(query or "") if digest is None else digest)
    return query if digest is None else _persisted(documents, schema, query, digest)


def _digest_in(extensions: Mapping[str, Any] | None) -> str | None:
    match (extensions or {}).get("persistedQuery"):
        case None:
            return None
        case {"version": 1, "sha256Hash": str(given)}:
            return given.lower()
        case _:
            raise ValidationFailed("persistedQuery must be {version: 1, sha256Hash: ...}.", _PATH)


def _persisted(documents: PersistedDocuments, schema: Schema, query: str | None, digest: str) -> str:
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

"""The operations that browser keys may run: whole documents, of which a page sends the hash."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.errors import Forbidden, ValidationFailed
from core.ids import IdPrefix, new_id
from core.permissions import Permission
from core.principals import Principal
from models.database import Connection, fetch, seen_by
from models.trusted_operations import TrustedOperation
from services.audit import Action, record

MAX_OPERATIONS = 1_000
"""Of a workspace, as of one request."""

_LOCK = "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE"
_ADD = """
INSERT INTO trusted_operations (id, workspace_id, digest, document, created_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (workspace_id, digest) DO NOTHING RETURNING digest
"""
_REMOVE = "DELETE FROM trusted_operations WHERE workspace_id = $1 AND digest = ANY($2) RETURNING digest"


async def trust(principal: Principal, workspace_id: UUID, documents: Mapping[str, str]) -> None:
    """Let the workspace's browser keys run these documents, which are valid, and given by their SHA-256.

    Raises:
        NotFound: no such workspace for the caller. Forbidden: the caller may not do this there.
        ValidationFailed: the workspace would have too many.
    """
    principal.require(workspace_id, Permission.TRUST_OPERATIONS, ("input", "workspaceId"))
    async with seen_by(principal) as connection:
        await fetch(connection, _LOCK, workspace_id)
        added = [
            digest
            for digest, text in documents.items()
            if await fetch(connection, _ADD, new_id(), workspace_id, digest, text)
        ]
        if await TrustedOperation.filter(workspace_id=workspace_id).count() > MAX_OPERATIONS:
            message = f"A workspace trusts at most {MAX_OPERATIONS:,} documents; withdraw some."
            raise ValidationFailed(message, ("input", "documents"))
        await _record(connection, principal, workspace_id, Action.OPERATIONS_TRUSTED, before=None, after=added)


async def distrust(principal: Principal, workspace_id: UUID, digests: list[str]) -> None:
    """Withdraw the trust in these documents, of those that are trusted.

    Raises:
        NotFound: no such workspace for the caller. Forbidden: the caller may not do this there.
    """
    principal.require(workspace_id, Permission.TRUST_OPERATIONS, ("input", "workspaceId"))
    async with seen_by(principal) as connection:
        removed = [row["digest"] for row in await fetch(connection, _REMOVE, workspace_id, digests)]
        await _record(connection, principal, workspace_id, Action.OPERATIONS_DISTRUSTED, before=removed, after=None)


async def find(principal: Principal, digest: str) -> str:
    """The document with this SHA-256 that the caller, on a web page, may run.

    Raises:
        Forbidden: it is none of those that the workspace trusts.
    """
    async with seen_by(principal):
        operation = await TrustedOperation.get_or_none(workspace_id=principal.page_workspace_id, digest=digest)
    if operation is None:
        raise Forbidden("A browser key runs trusted operations only, and its workspace trusts none with this hash.")
    return operation.document


async def _record(
    connection: Connection,
    principal: Principal,
    workspace_id: UUID,
    action: Action,
    *,
    before: list[str] | None,
    after: list[str] | None,
) -> None:
    if before or after:
        target = (IdPrefix.WORKSPACE, workspace_id)
        sides: dict[str, Any] = {"before": _audited(before), "after": _audited(after)}
        await record(connection, principal.subject, workspace_id, action, target, **sides)


def _audited(digests: list[str] | None) -> dict[str, Any] | None:
    return None if digests is None else {"documentIds": [f"sha256:{digest}" for digest in digests]}

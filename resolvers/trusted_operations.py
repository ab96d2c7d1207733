"""The operations that browser keys may run."""

from collections.abc import Sequence

from core.errors import ValidationFailed
from core.ids import IdPrefix, decode
from core.inputs import require_storable
from resolvers.context import Context
from services import trusted_operations
from services.persisted_documents import digest_of
from services.trusted_operations import MAX_OPERATIONS

_PATH = ("input", "workspaceId")


async def trust(context: Context, workspace_id: str, documents: Sequence[str]) -> list[str]:
    """Trust documents, which are valid; the SHA-256 of each, in their order. See `services.trusted_operations.trust`.

    Raises:
        ValidationFailed: there are too many.
    """
    principal = context.require_principal()
    key = decode(IdPrefix.WORKSPACE, workspace_id, _PATH)
    if len(documents) > MAX_OPERATIONS:
        raise ValidationFailed(f"At most {MAX_OPERATIONS:,} documents at once.", ("input", "documents"))
    digests = [digest_of(document) for document in documents]
    await trusted_operations.trust(principal, key, dict(zip(digests, documents, strict=True)))
    return digests


async def distrust(context: Context, workspace_id: str, digests: Sequence[str]) -> None:
    """Withdraw the trust in documents; see `services.trusted_operations.distrust`."""
    principal = context.require_principal()
    require_storable(list(digests), ("input", "documentIds"), what="A document's id")
    await trusted_operations.distrust(principal, decode(IdPrefix.WORKSPACE, workspace_id, _PATH), list(digests))

"""The API keys of workspaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.ids import IdPrefix, decode
from core.permissions import Permission, Scope
from models.api_keys import ApiKey, ApiKeyKind
from resolvers.context import Context
from resolvers.pages import Listing, Page, page
from services import api_keys
from services.api_keys import NewApiKey

KEYS = Listing(ApiKey, "workspace_id")


@dataclass(frozen=True, slots=True)
class ApiKeyForm:
    """A key to be made, as a client asks for it."""

    workspace_id: str
    name: str
    kind: ApiKeyKind
    scopes: Sequence[Scope]
    allowed_origins: Sequence[str]
    expires_at: datetime | None
    idempotency_key: str | None


async def create(context: Context, form: ApiKeyForm) -> tuple[ApiKey, str]:
    """Make a key; with it its secret. See `services.api_keys.create`."""
    principal = context.require_principal()
    new = NewApiKey(
        workspace_id=decode(IdPrefix.WORKSPACE, form.workspace_id, ("input", "workspaceId")),
        name=form.name,
        kind=form.kind,
        scopes=frozenset(form.scopes),
        allowed_origins=tuple(form.allowed_origins),
        expires_at=form.expires_at,
        idempotency_key=form.idempotency_key,
    )
    return await api_keys.create(principal, new)


async def revoke(context: Context, api_key_id: str) -> ApiKey:
    """Make a key worth nothing; see `services.api_keys.revoke`."""
    principal = context.require_principal()
    return await api_keys.revoke(principal, decode(IdPrefix.API_KEY, api_key_id, ("input", "apiKeyId")))


async def of_workspace(context: Context, workspace_id: UUID, *, first: int | None, after: str | None) -> Page[ApiKey]:
    """The workspace's keys, newest first, with those that are worth nothing any more.

    Raises:
        Forbidden: the caller may not manage keys there.
    """
    context.require_principal().require(workspace_id, Permission.MANAGE_KEYS)
    return await page(context, KEYS, workspace_id, first=first, after=after)


async def find(context: Context, key: UUID) -> ApiKey | None:
    """The key; None for a caller who may not manage keys where it belongs."""
    row = await context.find(ApiKey, key)
    may_see = row and context.require_principal().may(row.workspace_id, Permission.MANAGE_KEYS)
    return row if may_see else None

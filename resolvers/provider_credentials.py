"""The credentials of workspaces at model providers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.ids import IdPrefix, decode
from core.permissions import Permission
from models.provider_credentials import ProviderCredential
from providers.catalogue import ProviderName
from resolvers.context import Context
from services import provider_credentials
from services.provider_credentials import NewCredential


@dataclass(frozen=True, slots=True)
class CredentialForm:
    """A credential, as a client sends it."""

    workspace_id: str
    provider: ProviderName
    name: str
    api_key: str | None = field(repr=False)
    base_url: str | None


async def set_credential(context: Context, form: CredentialForm) -> ProviderCredential:
    """Set a credential; see `services.provider_credentials.set_credential`."""
    principal = context.require_principal()
    new = NewCredential(
        workspace_id=decode(IdPrefix.WORKSPACE, form.workspace_id, ("input", "workspaceId")),
        provider=form.provider,
        name=form.name,
        api_key=form.api_key,
        base_url=form.base_url,
    )
    runtime = context.runtime
    return await provider_credentials.set_credential(
        principal, runtime.envelopes, new, allow_private_addresses=runtime.settings.allow_private_addresses
    )


async def of_workspace(context: Context, workspace_id: UUID) -> list[ProviderCredential]:
    """The workspace's credentials, oldest first.

    Raises:
        Forbidden: the caller's role there is below ADMIN.
    """
    context.require_principal().require(workspace_id, Permission.MANAGE_CREDENTIALS)
    return await context.batch(_by_workspace, workspace_id) or []


async def find(context: Context, key: UUID) -> ProviderCredential | None:
    """The credential; None for a caller who is no admin where it belongs."""
    row = await context.find(ProviderCredential, key)
    may_see = row and context.require_principal().may(row.workspace_id, Permission.MANAGE_CREDENTIALS)
    return row if may_see else None


async def _by_workspace(context: Context, workspace_ids: Sequence[UUID]) -> Mapping[UUID, list[ProviderCredential]]:
    found: dict[UUID, list[ProviderCredential]] = {}
    async with context.transaction():
        for row in await ProviderCredential.filter(workspace_id__in=workspace_ids).order_by("id"):
            found.setdefault(row.workspace_id, []).append(row)
    return found

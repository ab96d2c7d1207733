"""The catalogue of models."""

from core.ids import IdPrefix, decode
from core.permissions import Permission
from providers.catalogue import CatalogueEntry, ProviderName
from resolvers.context import Context
from services import provider_credentials


async def models(context: Context, workspace_id: str, provider: ProviderName | None) -> list[CatalogueEntry]:
    """The models that agents of the workspace can be given, of one provider or all, and whether it can call them.

    Raises:
        NotFound: the caller is in no such workspace.
    """
    path, principal = ("workspaceId",), context.require_principal()
    workspace_key = decode(IdPrefix.WORKSPACE, workspace_id, path)
    principal.require(workspace_key, Permission.READ, path)
    credentials = await provider_credentials.keys_of_workspace(principal, workspace_key)
    entries = context.runtime.providers.catalogue(credentials)
    return [entry for entry in entries if provider in (None, entry.provider)]

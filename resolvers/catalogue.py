"""The catalogue of models."""

from core.auth import Role
from core.ids import IdPrefix, decode
from providers.catalogue import CatalogueEntry, ProviderName
from resolvers.context import Context


def models(context: Context, workspace_id: str, provider: ProviderName | None) -> list[CatalogueEntry]:
    """The models that the workspace can be given, of one provider or all.

    Raises:
        NotFound: the caller is in no such workspace.
    """
    path = ("workspaceId",)
    context.require_principal().require(decode(IdPrefix.WORKSPACE, workspace_id, path), Role.VIEWER, path)
    return [entry for entry in context.runtime.providers.catalogue() if provider in (None, entry.provider)]

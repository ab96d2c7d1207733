"""The end users of workspaces."""

from datetime import timedelta

from core.ids import IdPrefix, decode
from resolvers.context import Context
from services import end_users
from services.end_users import EndUserToken


async def mint_token(context: Context, workspace_id: str, external_id: str, lifetime_s: int) -> EndUserToken:
    """A token for an end user; see `services.end_users.mint_token`."""
    principal = context.require_principal()
    key = decode(IdPrefix.WORKSPACE, workspace_id, ("input", "workspaceId"))
    return await end_users.mint_token(principal, context.runtime.keys, key, external_id, timedelta(seconds=lifetime_s))

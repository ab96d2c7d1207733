"""Open invitations: who may see and revoke them. Making and accepting them is in `resolvers.members`."""

from datetime import UTC, datetime
from uuid import UUID

from core.ids import IdPrefix, decode
from core.permissions import Permission
from models.invitations import Invitation
from resolvers.context import Context
from resolvers.pages import Listing, Page, page
from services import invitations


async def of_workspace(
    context: Context, workspace_id: UUID, *, first: int | None, after: str | None
) -> Page[Invitation]:
    """The workspace's invitations that can still be accepted, newest first.

    Raises:
        Forbidden: the caller's role there is below ADMIN.
    """
    context.require_principal().require(workspace_id, Permission.MANAGE_MEMBERS)
    # To the second, so that the lists of several workspaces are read together.
    now = datetime.now(UTC).replace(microsecond=0)
    listing = Listing(Invitation, "workspace_id", where=(("expires_at__gt", now),))
    return await page(context, listing, workspace_id, first=first, after=after)


async def find(context: Context, key: UUID) -> Invitation | None:
    """The invitation; None for a caller who is no admin where it leads."""
    row = await context.find(Invitation, key)
    may_see = row and context.require_principal().may(row.workspace_id, Permission.MANAGE_MEMBERS)
    return row if may_see else None


async def revoke(context: Context, invitation_id: str) -> None:
    """Take an invitation back; see `services.invitations.revoke`."""
    principal = context.require_principal()
    await invitations.revoke(principal, decode(IdPrefix.INVITATION, invitation_id, ("input", "invitationId")))

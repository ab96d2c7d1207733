"""Workspaces and their members."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from models.workspaces import Membership, Workspace
from resolvers.context import Context
from resolvers.pages import OLDEST_FIRST, Listing, Page, page
from services import principals, workspaces

MEMBERS = Listing(Membership, "workspace_id", OLDEST_FIRST)


async def create_workspace(context: Context, name: str, slug: str | None, idempotency_key: str | None) -> Workspace:
    principal = context.require_principal()
    workspace_id = await workspaces.create_workspace(principal, name, slug, idempotency_key)
    # The new membership counts from here on.
    context.principal = await principals.load(principal.proof)
    return await context.get(Workspace, workspace_id)


async def members(context: Context, workspace_id: UUID, first: int | None, after: str | None) -> Page[Membership]:
    return await page(context, MEMBERS, workspace_id, first=first, after=after)


async def memberships_by_user(context: Context, user_ids: Sequence[UUID]) -> Mapping[UUID, list[Membership]]:
    """The memberships of these users that the viewer may see, oldest first."""
    found: dict[UUID, list[Membership]] = {}
    async with context.transaction():
        for membership in await Membership.filter(user_id__in=user_ids).order_by("id"):
            found.setdefault(membership.user_id, []).append(membership)
    return found

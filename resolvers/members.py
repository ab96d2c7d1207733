"""Members of workspaces, and invitations to become one.

Whoever changes members may change what they themselves may see, so the caller's roles are read anew for what is left of
the operation.
"""

from core.ids import IdPrefix, decode
from core.permissions import Role
from models.workspaces import Membership
from resolvers.context import Context
from services import invitations, members, principals
from services.invitations import Invited


async def invite(context: Context, workspace_id: str, email: str, role: Role) -> Invited:
    """Invite somebody; see `services.invitations.invite`."""
    principal = context.require_principal()
    key = decode(IdPrefix.WORKSPACE, workspace_id, ("input", "workspaceId"))
    return await invitations.invite(principal, key, email, role)


async def accept_invitation(context: Context, token: str) -> Membership:
    """Join a workspace; see `services.invitations.accept`."""
    membership = await invitations.accept(context.require_principal(), token)
    await _reread_roles(context)
    return membership


async def change_role(context: Context, membership_id: str, role: Role) -> Membership:
    """Give a member another role; see `services.members.change_role`."""
    principal = context.require_principal()
    key = decode(IdPrefix.MEMBERSHIP, membership_id, ("input", "membershipId"))
    membership = await members.change_role(principal, key, role)
    await _reread_roles(context)
    return membership


async def remove(context: Context, membership_id: str) -> None:
    """Remove a member, or leave; see `services.members.remove`."""
    principal = context.require_principal()
    key = decode(IdPrefix.MEMBERSHIP, membership_id, ("input", "membershipId"))
    await members.remove(principal, key)
    await _reread_roles(context)


async def transfer_ownership(context: Context, membership_id: str) -> tuple[Membership, Membership]:
    """Hand the ownership over; see `services.members.transfer_ownership`."""
    principal = context.require_principal()
    key = decode(IdPrefix.MEMBERSHIP, membership_id, ("input", "membershipId"))
    memberships = await members.transfer_ownership(principal, key)
    await _reread_roles(context)
    return memberships


async def _reread_roles(context: Context) -> None:
    context.principal = await principals.load(context.require_principal().proof)

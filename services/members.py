"""Members of workspaces: changing their roles, removing them, leaving, handing the ownership over.

Whoever changes a workspace's members holds the workspace's lock, and is judged by the role that they have then: of two
owners who remove each other at the same moment, one stays.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import Conflict, NotFound
from core.ids import IdPrefix, encode, new_id
from core.inputs import Path
from core.permissions import Permission, Rights, Role
from core.principals import Principal, Subject
from models.database import Connection, fetch, seen_by
from models.notifications import Notification, notify
from models.workspaces import Membership, Workspace
from services.audit import Action, record

_PATH: Path = ("input", "membershipId")
_REMEMBER = """
INSERT INTO former_members (id, workspace_id, user_id, left_at) VALUES ($1, $2, $3, now())
ON CONFLICT (workspace_id, user_id) DO UPDATE SET left_at = excluded.left_at
"""


@dataclass(frozen=True, slots=True)
class _Deal:
    """A member, and whoever is about to change them: by which ``rights``, and by which own membership, where they are
    a person. The workspace is locked.
    """

    member: Membership
    actor: Subject
    rights: Rights
    own: Membership | None

    @property
    def is_own(self) -> bool:
        return self.own is not None and self.member.id == self.own.id


async def change_role(principal: Principal, membership_id: UUID, role: Role) -> Membership:
    """Give a member another role; the one that they have changes nothing.

    Raises:
        NotFound: there is no such member for the caller.
        Forbidden: the caller's role is below ADMIN, or below OWNER where the member is an owner or becomes one; or it
            is an API key without the scope.
        Conflict: the workspace would lose its last owner.
    """
    async with seen_by(principal) as connection:
        deal = await _lock(principal, membership_id)
        deal.rights.require(right_to_manage(deal.member.role, role), _PATH)
        if role is not deal.member.role:
            await _require_other_owner(deal.member)
            await _set_role(connection, deal, deal.member, role)
        return deal.member


async def remove(principal: Principal, membership_id: UUID) -> None:
    """Remove a member, or leave: their access ends with the next request, and their name stays on what they did.

    Raises:
        NotFound: there is no such member for the caller.
        Forbidden: the member is somebody else, and the caller's role below ADMIN; below OWNER, to remove an owner.
        Conflict: the workspace would lose its last owner.
    """
    async with seen_by(principal) as connection:
        deal = await _lock(principal, membership_id)
        member = deal.member
        deal.rights.require(Permission.LEAVE if deal.is_own else right_to_manage(member.role), _PATH)
        await _require_other_owner(member)
        await member.delete()
        await fetch(connection, _REMEMBER, new_id(), member.workspace_id, member.user_id)
        await notify(connection, Notification.RIGHTS_CHANGED, str(member.user_id))
        action = Action.MEMBER_LEFT if deal.is_own else Action.MEMBER_REMOVED
        await _record(connection, deal, action, member, before=audited(member))


async def transfer_ownership(principal: Principal, membership_id: UUID) -> tuple[Membership, Membership]:
    """Make a member an owner and the caller, who is one, an admin; both memberships, the new owner's first.

    Raises:
        NotFound: there is no such member for the caller. Forbidden: the caller is no owner.
        Conflict: the member is the caller.
    """
    async with seen_by(principal) as connection:
        deal = await _lock(principal, membership_id)
        deal.rights.require(Permission.MANAGE_OWNERS, _PATH)
        if deal.own is None or deal.is_own:
            raise Conflict("You are an owner already; name another member.", _PATH)
        await _set_role(connection, deal, deal.member, Role.OWNER)
        await _set_role(connection, deal, deal.own, Role.ADMIN)
        return deal.member, deal.own


def right_to_manage(*roles: Role) -> Permission:
    """What it takes to make, change and remove members who have, or come to have, these roles."""
    return Permission.MANAGE_OWNERS if Role.OWNER in roles else Permission.MANAGE_MEMBERS


async def lock_workspace(workspace_id: UUID) -> None:
    """Keep others from changing the workspace's members until the transaction ends; nothing else waits for that."""
    await Workspace.select_for_update(no_key=True).get(id=workspace_id)


async def _lock(principal: Principal, membership_id: UUID) -> _Deal:
    """Lock the member's workspace, and read what there is then."""
    known = await Membership.get_or_none(id=membership_id)
    if known is not None:
        await lock_workspace(known.workspace_id)
        member = await Membership.get_or_none(id=membership_id)
        own = await Membership.get_or_none(workspace_id=known.workspace_id, user_id=principal.user_id)
        rights = own.role if own else principal.rights[known.workspace_id] if principal.api_key_id else None
        if member is not None and rights is not None:
            return _Deal(member, principal.subject, rights, own)
    raise NotFound("There is no membership with this id.", _PATH)


async def _require_other_owner(member: Membership) -> None:
    owners = Membership.filter(workspace_id=member.workspace_id, role=Role.OWNER)
    if member.role is Role.OWNER and not await owners.exclude(id=member.id).exists():
        raise Conflict("A workspace keeps its last owner: make somebody else an owner first.", _PATH)


def audited(member: Membership) -> dict[str, str]:
    """What the audit record says of a member."""
    return {"userId": encode(IdPrefix.USER, member.user_id), "role": member.role.value}


async def _set_role(connection: Connection, deal: _Deal, member: Membership, role: Role) -> None:
    if role is not member.role:
        before = audited(member)
        member.role = role
        await member.save(update_fields=["role"])
        await notify(connection, Notification.RIGHTS_CHANGED, str(member.user_id))
        await _record(connection, deal, Action.MEMBER_ROLE_CHANGED, member, before=before, after=audited(member))


async def _record(connection: Connection, deal: _Deal, action: Action, member: Membership, **changes: Any) -> None:
    target = (IdPrefix.MEMBERSHIP, member.id)
    await record(connection, deal.actor, member.workspace_id, action, target, **changes)

"""Invitations: how people come into workspaces of others. The inviter passes the token on; no e-mail is sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.auth import Principal
from core.errors import Conflict, NotFound
from core.ids import IdPrefix, encode, new_id
from core.inputs import Path
from core.permissions import Permission, Role
from core.tokens import hash_token, new_token
from models.database import Connection, fetch, transaction
from models.invitations import Invitation
from models.users import User
from models.workspaces import Membership
from services.accounts import normalise_email
from services.audit import Action, record
from services.members import audited, lock_workspace, right_to_manage

LIFETIME = timedelta(days=7)

_WORKSPACE_PATH: Path = ("input", "workspaceId")
_TOKEN_PATH: Path = ("input", "token")
# An address has one open invitation to a workspace, the newest.
_REPLACE = """
INSERT INTO invitations (id, workspace_id, email, role, token_hash, invited_by_id, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now(), $7)
ON CONFLICT (workspace_id, email) DO UPDATE SET
    id = excluded.id, role = excluded.role, token_hash = excluded.token_hash, invited_by_id = excluded.invited_by_id,
    created_at = excluded.created_at, expires_at = excluded.expires_at
"""
_FORGET_EXPIRED = "DELETE FROM invitations WHERE workspace_id = $1 AND expires_at <= now()"
_TAKE = "DELETE FROM invitations WHERE id = $1 AND expires_at > now() RETURNING role, invited_by_id"


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation. ``token`` is nowhere else: only its hash is kept."""

    id: UUID
    token: str
    expires_at: datetime


async def invite(principal: Principal, workspace_id: UUID, email: str, role: Role) -> Invited:
    """Invite whoever has an e-mail address, in place of an earlier invitation of theirs to the same workspace.

    Raises:
        NotFound: no such workspace for the caller.
        Forbidden: the caller's role there is below ADMIN, or below OWNER where it is an owner that they invite, or
            an owner's invitation that they would replace.
        ValidationFailed: it is no e-mail address. Conflict: a member has it.
    """
    principal.require(workspace_id, Permission.MANAGE_MEMBERS, _WORKSPACE_PATH)
    principal.require(workspace_id, right_to_manage(role), ("input", "role"))
    email = normalise_email(email)
    invited = Invited(new_id(), new_token(), datetime.now(UTC) + LIFETIME)
    async with transaction(principal.workspace_ids, user_id=principal.user_id) as connection:
        user = await User.get_or_none(email=email)
        if user is not None and await Membership.exists(workspace_id=workspace_id, user_id=user.id):
            raise Conflict("A member has this e-mail address.", ("input", "email"))
        await fetch(connection, _FORGET_EXPIRED, workspace_id)
        earlier = await Invitation.get_or_none(workspace_id=workspace_id, email=email)
        if earlier is not None:
            principal.require(workspace_id, right_to_manage(earlier.role), ("input", "email"))
        values = (email, role.value, hash_token(invited.token), principal.user_id, invited.expires_at)
        await fetch(connection, _REPLACE, invited.id, workspace_id, *values)
        await record(
            connection,
            principal.user_id,
            workspace_id,
            Action.MEMBER_INVITED,
            (IdPrefix.INVITATION, invited.id),
            before=_audited(email, earlier.role, earlier.expires_at) if earlier else None,
            after=_audited(email, role, invited.expires_at),
        )
    return invited


async def revoke(principal: Principal, invitation_id: UUID) -> None:
    """Take an invitation back: its token is worth nothing from then on.

    Raises:
        NotFound: there is no such invitation for the caller; it may have been accepted or replaced.
        Forbidden: the caller's role there is below ADMIN, or below OWNER where an owner is invited.
    """
    path = ("input", "invitationId")
    async with transaction(principal.workspace_ids, user_id=principal.user_id) as connection:
        invitation = await Invitation.select_for_update().get_or_none(id=invitation_id)
        if invitation is None:
            raise NotFound("There is no invitation with this id.", path)
        principal.require(invitation.workspace_id, right_to_manage(invitation.role), path)
        await invitation.delete()
        before = _audited(invitation.email, invitation.role, invitation.expires_at)
        target = (IdPrefix.INVITATION, invitation_id)
        await record(
            connection, principal.user_id, invitation.workspace_id, Action.INVITATION_REVOKED, target, before=before
        )


async def accept(principal: Principal, token: str) -> Membership:
    """Join the workspace that the caller is invited to. A token works once, for the e-mail address that it was made
    for, as long as whoever made it may still give that role.

    Raises:
        NotFound: there is no such invitation for the caller. Conflict: they are a member already.
    """
    token_hash = hash_token(token)
    async with transaction(user_id=principal.user_id, token_hash=token_hash):
        invitation = await Invitation.get_or_none(token_hash=token_hash)
    if invitation is None:
        raise _no_such_invitation()
    workspace_id = invitation.workspace_id
    async with transaction([workspace_id], user_id=principal.user_id) as connection:
        await lock_workspace(workspace_id)
        role = await _take(connection, invitation)
        if await Membership.exists(workspace_id=workspace_id, user_id=principal.user_id):
            raise Conflict("You are a member of this workspace already.", _TOKEN_PATH)
        member = await Membership.create(workspace_id=workspace_id, user_id=principal.user_id, role=role)
        target = (IdPrefix.MEMBERSHIP, member.id)
        after = audited(member) | {"invitationId": encode(IdPrefix.INVITATION, invitation.id)}
        await record(connection, principal.user_id, workspace_id, Action.MEMBER_JOINED, target, after=after)
        return member


async def _take(connection: Connection, invitation: Invitation) -> Role:
    """Use the invitation up; the role that it gives."""
    for taken in await fetch(connection, _TAKE, invitation.id):
        role = Role(taken["role"])
        inviter = await Membership.get_or_none(workspace_id=invitation.workspace_id, user_id=taken["invited_by_id"])
        if inviter is not None and inviter.role.may(right_to_manage(role)):
            return role
    raise _no_such_invitation()


def _audited(email: str, role: Role, expires_at: datetime) -> dict[str, str]:
    return {"email": email, "role": role.value, "expiresAt": expires_at.isoformat()}


def _no_such_invitation() -> NotFound:
    return NotFound("There is no invitation with this token for your e-mail address. Ask for a new one.", _TOKEN_PATH)

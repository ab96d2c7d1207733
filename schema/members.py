"""Members of workspaces: how people come in, get other roles and go."""

from datetime import datetime
from typing import Annotated

import strawberry

from core import ids
from core.ids import IdPrefix
from core.permissions import Role
from resolvers import members
from schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from schema.fields import Input, mutation
from schema.info import Info
from schema.workspaces import Membership


@strawberry.input(description="An invitation to make, in place of an earlier one to the same person.")
class InviteMemberInput:
    workspace_id: strawberry.ID = strawberry.field(description="Where to invite to.")
    email: str = strawberry.field(description="Whom to invite: only an account with this e-mail address can accept.")
    role: Role = strawberry.field(description="What they will be. Only owners invite owners.")


@strawberry.type(
    description="The invitation is made. No e-mail is sent: pass the token on, which is shown this once; "
    "the invited person gives it to acceptInvitation."
)
class InviteMemberPayload:
    invitation_id: strawberry.ID = strawberry.field(description="The invitation, as audit events name it.")
    token: str = strawberry.field(description="For acceptInvitation, once.")
    expires_at: datetime = strawberry.field(description="When it is too late to accept: after 7 days.")


InviteMemberResult = Annotated[
    InviteMemberPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("InviteMemberResult", description="What came of inviteMember. A member already: ConflictError."),
]


@strawberry.input(description="An invitation to accept.")
class AcceptInvitationInput:
    token: str = strawberry.field(description="What the inviter passed on.")


@strawberry.type(description="The caller is a member now.")
class AcceptInvitationPayload:
    membership: Membership = strawberry.field(description="The caller's place in the workspace.")


AcceptInvitationResult = Annotated[
    AcceptInvitationPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union(
        "AcceptInvitationResult",
        description="What came of acceptInvitation. NotFoundError for a token that is unknown, used, expired, for "
        "another e-mail address, or of somebody who may no longer invite; ConflictError for a member; "
        "ForbiddenError for an API key.",
    ),
]


@strawberry.input(description="Another role for a member.")
class ChangeMemberRoleInput:
    membership_id: strawberry.ID = strawberry.field(description="Whose role it is.")
    role: Role = strawberry.field(description="Their new role.")


@strawberry.type(description="The member has the role.")
class ChangeMemberRolePayload:
    membership: Membership = strawberry.field(description="The membership as it is now.")


ChangeMemberRoleResult = Annotated[
    ChangeMemberRolePayload | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union(
        "ChangeMemberRoleResult",
        description="What came of changeMemberRole. It would take the last owner away: ConflictError.",
    ),
]


@strawberry.input(description="A member to remove; oneself, to leave.")
class RemoveMemberInput:
    membership_id: strawberry.ID = strawberry.field(description="Who is to go.")


@strawberry.type(description="The member is out. Their name stays on what they did.")
class RemoveMemberPayload:
    membership_id: strawberry.ID = strawberry.field(description="The membership that is no more.")


RemoveMemberResult = Annotated[
    RemoveMemberPayload | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union(
        "RemoveMemberResult",
        description="What came of removeMember. It would take the last owner away: ConflictError.",
    ),
]


@strawberry.input(description="Whom to hand the ownership to.")
class TransferOwnershipInput:
    membership_id: strawberry.ID = strawberry.field(description="The member who becomes an owner.")


@strawberry.type(description="The member is an owner, and the caller an admin.")
class TransferOwnershipPayload:
    membership: Membership = strawberry.field(description="The new owner's membership.")
    own_membership: Membership = strawberry.field(description="The caller's.")


TransferOwnershipResult = Annotated[
    TransferOwnershipPayload | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union(
        "TransferOwnershipResult", description="What came of transferOwnership. To oneself: ConflictError."
    ),
]


@strawberry.type
class MemberMutation:
    @mutation("Invite somebody into a workspace. Needs the role ADMIN; OWNER, to invite an owner.")
    async def invite_member(self, info: Info, input: Input[InviteMemberInput]) -> InviteMemberResult:
        invited = await members.invite(info.context, input.workspace_id, input.email, input.role)
        return InviteMemberPayload(
            invitation_id=strawberry.ID(ids.encode(IdPrefix.INVITATION, invited.id)),
            token=invited.token,
            expires_at=invited.expires_at,
        )

    @mutation("Join the workspace that the caller is invited to.")
    async def accept_invitation(self, info: Info, input: Input[AcceptInvitationInput]) -> AcceptInvitationResult:
        return AcceptInvitationPayload(
            membership=Membership.of(await members.accept_invitation(info.context, input.token))
        )

    @mutation("Give a member another role. Needs the role ADMIN; OWNER, where the member is or becomes an owner.")
    async def change_member_role(self, info: Info, input: Input[ChangeMemberRoleInput]) -> ChangeMemberRoleResult:
        row = await members.change_role(info.context, input.membership_id, input.role)
        return ChangeMemberRolePayload(membership=Membership.of(row))

    @mutation("Remove a member, or leave. Needs the role ADMIN; OWNER, to remove an owner; to leave, none.")
    async def remove_member(self, info: Info, input: Input[RemoveMemberInput]) -> RemoveMemberResult:
        await members.remove(info.context, input.membership_id)
        return RemoveMemberPayload(membership_id=input.membership_id)

    @mutation("Make a member an owner, and the caller an admin, at once. Needs the role OWNER.")
    async def transfer_ownership(self, info: Info, input: Input[TransferOwnershipInput]) -> TransferOwnershipResult:
        theirs, own = await members.transfer_ownership(info.context, input.membership_id)
        return TransferOwnershipPayload(membership=Membership.of(theirs), own_membership=Membership.of(own))

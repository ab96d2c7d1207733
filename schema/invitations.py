"""Open invitations of workspaces, and taking them back."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from core.ids import IdPrefix
from models.invitations import Invitation as InvitationRow
from models.users import User as UserRow
from resolvers import invitations
from schema.errors import ForbiddenError, NotFoundError
from schema.fields import Input, field, mutation
from schema.info import Info
from schema.nodes import Node, node_of
from schema.roles import Role

if TYPE_CHECKING:
    from schema.workspaces import User


@strawberry.type(description="An invitation that nobody has accepted yet. Its token is shown by inviteMember alone.")
class Invitation(Node, prefix=IdPrefix.INVITATION, table=InvitationRow):
    email: str = strawberry.field(description="Who is invited. Normalised: in lower case.")
    role: Role = strawberry.field(description="What they will be.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it is too late to accept.")
    row: strawberry.Private[InvitationRow]

    @field("Who invited them, also after they have left the workspace; null where that was no user.")
    async def invited_by(self, info: Info) -> Annotated["User", strawberry.lazy("schema.workspaces")] | None:
        row = await info.context.find(UserRow, self.row.invited_by_id)
        return node_of(row) if row else None

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        row = await invitations.find(info.context, key)
        return cls.of(row) if row else None


@strawberry.input(description="An invitation to take back.")
class RevokeInvitationInput:
    invitation_id: strawberry.ID = strawberry.field(description="The invitation.")


@strawberry.type(description="The invitation is no more, and its token worth nothing.")
class RevokeInvitationPayload:
    invitation_id: strawberry.ID = strawberry.field(description="The invitation that is no more.")


RevokeInvitationResult = Annotated[
    RevokeInvitationPayload | ForbiddenError | NotFoundError,
    strawberry.union(
        "RevokeInvitationResult",
        description="What came of revokeInvitation. NotFoundError, too, once it was accepted or replaced.",
    ),
]


@strawberry.type
class InvitationMutation:
    @mutation("Take an invitation back. Needs the role ADMIN; OWNER, where an owner is invited.")
    async def revoke_invitation(self, info: Info, input: Input[RevokeInvitationInput]) -> RevokeInvitationResult:
        await invitations.revoke(info.context, input.invitation_id)
        return RevokeInvitationPayload(invitation_id=input.invitation_id)

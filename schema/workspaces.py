"""Workspaces, the tenants; their members; and the users who are these."""

from datetime import datetime
from typing import Annotated

import strawberry

from core.ids import IdPrefix
from models.users import User as UserRow
from models.workspaces import Membership as MembershipRow
from models.workspaces import Workspace as WorkspaceRow
from resolvers import (
    agents,
    api_keys,
    audit_events,
    invitations,
    provider_credentials,
    runs,
    threads,
    usage,
    workspaces,
)
from schema.agents import Agent
from schema.api_keys import ApiKey
from schema.audit_events import AuditEvent, AuditFilter
from schema.audit_events import selection_of as audit_selection_of
from schema.errors import ConflictError, ForbiddenError, ValidationError
from schema.fields import Input, field, mutation
from schema.info import Info
from schema.invitations import Invitation
from schema.lookahead import columns_for
from schema.nodes import Node
from schema.pages import After, Connection, First
from schema.provider_credentials import ProviderCredential
from schema.roles import Role
from schema.run_filters import Filter, selection_of
from schema.runs import Run
from schema.threads import Thread
from schema.usage import UsageReport
from services.usage import UsageDimension, UsageInterval


@strawberry.type(description="A person with an account.")
class User(Node, prefix=IdPrefix.USER, table=UserRow):
    email: str = strawberry.field(description="Normalised: in lower case.")
    name: str = strawberry.field(description="What people call them.")
    created_at: datetime = strawberry.field(description="When they signed up.")

    @field("Oldest first; of another user only those in workspaces that the viewer is in too.")
    async def memberships(self, info: Info) -> list["Membership"]:
        rows = await info.context.batch(workspaces.memberships_by_user, self.key)
        return [Membership.of(row) for row in rows or ()]


@strawberry.type(description="A user's place in a workspace.")
class Membership(Node, prefix=IdPrefix.MEMBERSHIP, table=MembershipRow):
    role: Role = strawberry.field(description="What the user may do there.")
    created_at: datetime = strawberry.field(description="When the user joined.")
    row: strawberry.Private[MembershipRow]

    @field("Who is the member.")
    async def user(self, info: Info) -> User:
        return User.of(await info.context.get(UserRow, self.row.user_id))

    @field("Where they are a member.")
    async def workspace(self, info: Info) -> "Workspace":
        return Workspace.of(await info.context.get(WorkspaceRow, self.row.workspace_id))


@strawberry.type(description="The tenant. Everything that a member can see hangs off it.")
class Workspace(Node, prefix=IdPrefix.WORKSPACE, table=WorkspaceRow):
    name: str = strawberry.field(description="What its members call it.")
    slug: str = strawberry.field(description="Its unique name for addresses: 3 to 63 of a-z, 0-9 and -.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @field("Who is in it, oldest first.")
    async def members(self, info: Info, first: First = 20, after: After = None) -> Connection[Membership]:
        return Connection.of(await workspaces.members(info.context, self.key, first, after), Membership)

    @field("Its agents without archived ones, newest first.")
    async def agents(self, info: Info, first: First = 20, after: After = None) -> Connection[Agent]:
        page = await agents.of_workspace(info.context, self.key, first=first, after=after)
        return Connection.of(page, Agent)

    @field("Its conversations, newest first.")
    async def threads(self, info: Info, first: First = 20, after: After = None) -> Connection[Thread]:
        columns = columns_for(info, Thread)
        page = await threads.of_workspace(info.context, self.key, first=first, after=after, columns=columns)
        return Connection.of(page, Thread)

    @field("Its runs, newest first.")
    async def runs(self, info: Info, first: First = 20, after: After = None, filter: Filter = None) -> Connection[Run]:
        selection, columns = selection_of(filter), columns_for(info, Run)
        page = await runs.page_of_runs(
            info.context, "workspace_id", self.key, selection, first=first, after=after, columns=columns
        )
        return Connection.of(page, Run)

    @field(
        "Its API keys, newest first, with those that were revoked or have expired. For owners and admins: null, with "
        "FORBIDDEN, for others."
    )
    async def api_keys(self, info: Info, first: First = 20, after: After = None) -> Connection[ApiKey] | None:
        page = await api_keys.of_workspace(info.context, self.key, first=first, after=after)
        return Connection.of(page, ApiKey)

    @field("What it calls model providers with, oldest first. For owners and admins: null, with FORBIDDEN, for others.")
    async def provider_credentials(self, info: Info) -> list[ProviderCredential] | None:
        rows = await provider_credentials.of_workspace(info.context, self.key)
        return [ProviderCredential.of(row) for row in rows]

    @field(
        "Invitations that can still be accepted, newest first. For owners and admins: null, with FORBIDDEN, for others."
    )
    async def invitations(self, info: Info, first: First = 20, after: After = None) -> Connection[Invitation] | None:
        page = await invitations.of_workspace(info.context, self.key, first=first, after=after)
        return Connection.of(page, Invitation)

    @field("What was changed by whom, newest first. For owners and admins: null, with FORBIDDEN, for others.")
    async def audit_events(
        self, info: Info, first: First = 20, after: After = None, filter: AuditFilter = None
    ) -> Connection[AuditEvent] | None:
        selection = audit_selection_of(filter)
        page = await audit_events.of_workspace(info.context, self.key, selection, first=first, after=after)
        return Connection.of(page, AuditEvent)

    @field(
        "Figures over [from, to), in UTC buckets of interval, split by groupBy; too many buckets is VALIDATION_FAILED."
    )
    async def usage(
        self,
        info: Info,
        start: Annotated[datetime, strawberry.argument(name="from", description="Where the figures begin.")],
        end: Annotated[datetime, strawberry.argument(name="to", description="Where they end; not included.")],
        interval: Annotated[
            UsageInterval, strawberry.argument(description="How long a bucket of the series is.")
        ] = UsageInterval.DAY,
        group_by: Annotated[
            UsageDimension | None, strawberry.argument(description="What to split the figures by.")
        ] = None,
    ) -> UsageReport:
        return UsageReport.of(await usage.report(info.context, self.key, start, end, interval, group_by))


@strawberry.input(description="A workspace to make.")
class CreateWorkspaceInput:
    name: str = strawberry.field(description="At most 200 characters.")
    slug: str | None = strawberry.field(
        default=None, description="3 to 63 of a-z, 0-9 and -, unique; made from the name by default."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Sending the same again within 24 hours makes nothing new."
    )


@strawberry.type(description="The workspace was made; the caller owns it.")
class CreateWorkspacePayload:
    workspace: Workspace = strawberry.field(description="The new workspace.")


CreateWorkspaceResult = Annotated[
    CreateWorkspacePayload | ValidationError | ForbiddenError | ConflictError,
    strawberry.union("CreateWorkspaceResult", description="What came of createWorkspace. An API key: ForbiddenError."),
]


@strawberry.type
class WorkspaceQuery:
    @field("A workspace that the viewer is in. Without id: the workspace of the API key that asks.")
    async def workspace(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The workspace's id.")] = None,
    ) -> Workspace | None:
        if id is not None:
            return await Workspace.find_by_id(info, id)
        principal = info.context.caller()
        key = principal.key_workspace_id if principal else None
        return await Workspace.find(info, key) if key else None


@strawberry.type
class WorkspaceMutation:
    @mutation("Make a workspace that the caller owns.")
    async def create_workspace(self, info: Info, input: Input[CreateWorkspaceInput]) -> CreateWorkspaceResult:
        row = await workspaces.create_workspace(info.context, input.name, input.slug, input.idempotency_key)
        return CreateWorkspacePayload(workspace=Workspace.of(row))

"""The whole schema, put together from its parts. A new part adds its root fields and types here."""

import strawberry

from schema.accounts import AccountMutation, AccountQuery
from schema.agents import AgentMutation, AgentQuery
from schema.catalogue import CatalogueQuery
from schema.execution import Schema
from schema.invitations import InvitationMutation
from schema.members import MemberMutation
from schema.nodes import NodeQuery
from schema.provider_credentials import ProviderCredentialMutation
from schema.run_events import EVENT_TYPES, RunEventSubscription
from schema.runs import RunMutation, RunQuery
from schema.threads import ThreadQuery
from schema.workspaces import WorkspaceMutation, WorkspaceQuery


@strawberry.type(description="What can be read.")
class Query(NodeQuery, AccountQuery, WorkspaceQuery, AgentQuery, ThreadQuery, RunQuery, CatalogueQuery):
    pass


@strawberry.type(description="What can be changed. Expected failures are members of each result.")
class Mutation(
    AccountMutation,
    WorkspaceMutation,
    MemberMutation,
    InvitationMutation,
    ProviderCredentialMutation,
    AgentMutation,
    RunMutation,
):
    pass


@strawberry.type(description="What can be watched.")
class Subscription(RunEventSubscription):
    pass


schema = Schema(Query, Mutation, Subscription, types=EVENT_TYPES)


def print_schema() -> str:
    """The schema in GraphQL's own language, as it is committed in ``schema.graphql``."""
    return f"{schema.as_str()}\n"

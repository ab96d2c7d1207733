"""Two tenants: what belongs to the other one is answered for as if it did not exist, wherever its id is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, build_schema, get_named_type

from core.permissions import Role
from models.database import TABLES, open_connection
from tests.accounts import Member, sign_up
from tests.client import Json, OperationFailed
from tests.e2e.colleagues import colleague
from tests.operations import (
    ARCHIVE_AGENT,
    CANCEL_RUN,
    CHANGE_MEMBER_ROLE,
    CREATE_AGENT,
    CREATE_API_KEY,
    CREATE_END_USER_TOKEN,
    DISTRUST_OPERATIONS,
    INVITE_MEMBER,
    PUBLISH_VERSION,
    REMOVE_MEMBER,
    REVOKE_API_KEY,
    RUN_EVENTS,
    SET_PROVIDER_CREDENTIAL,
    START_RUN,
    TRANSFER_OWNERSHIP,
    TRUST_OPERATIONS,
    UPDATE_AGENT,
    answer,
    create_agent,
    start_run,
    unknown_id,
)
from tests.servers.app import Server

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
MODEL = "local/smollm2-135m"
CONFIG = {"model": MODEL}
CREDENTIAL = {"provider": "OPENAI", "apiKey": "sk-0123456789"}
EVERYTHING = """query ($id: ID!) { node(id: $id) {
  __typename id
  ... on Workspace { name slug } ... on Agent { name } ... on AgentVersion { number }
  ... on Thread { title } ... on Message { text } ... on Run { input } ... on RunStep { name }
  ... on User { email } ... on Membership { role } ... on ProviderCredential { name keyHint }
  ... on AuditEvent { actor } ... on ApiKey { prefix } ... on EndUser { externalId }
} }"""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody and the ids of what they own, by the name of the argument that takes such an id."""

    member: Member
    ids: dict[str, str]


@pytest.fixture(scope="module")
async def tenants(server: Server) -> tuple[Tenant, Tenant]:
    async def tenant() -> Tenant:
        member = await sign_up(server)
        agent = await create_agent(member, MODEL)
        run = await start_run(member, agent, "A secret")
        query = """query ($workspace: ID!, $thread: ID!) {
          workspace(id: $workspace) { members { nodes { id } } auditEvents { nodes { id } } }
          thread(id: $thread) { messages { nodes { id } } }
        }"""
        thread_id = run["thread"]["id"]
        data = await member.client.execute(query, workspace=member.workspace_id, thread=thread_id)
        set_credential = await answer(
            member.client, SET_PROVIDER_CREDENTIAL, workspaceId=member.workspace_id, **CREDENTIAL
        )
        key = await answer(
            member.client, CREATE_API_KEY, workspaceId=member.workspace_id, name="Theirs", scopes=["READ"]
        )
        token = await answer(member.client, CREATE_END_USER_TOKEN, workspaceId=member.workspace_id, externalId="Theirs")
        owned = {
            "endUserId": token["endUser"]["id"],
            "apiKeyId": key["apiKey"]["id"],
            "workspaceId": member.workspace_id,
            "agentId": agent["id"],
            "agentVersionId": agent["liveVersion"]["id"],
            "threadId": thread_id,
            "runId": run["id"],
            "messageId": data["thread"]["messages"]["nodes"][0]["id"],
            "membershipId": data["workspace"]["members"]["nodes"][0]["id"],
            "userId": member.user_id,
            "credentialId": set_credential["credential"]["id"],
            "auditEventId": data["workspace"]["auditEvents"]["nodes"][0]["id"],
        }
        return Tenant(member, owned)

    return await tenant(), await tenant()


def query(field: str, argument: str = "id") -> str:
    return f"query ($id: ID!) {{ {field}({argument}: $id) {{ __typename }} }}"


# By root field and argument: which kind of id it takes, the operation, and its variables given our ids and another id.
Variables = Callable[[dict[str, str], str], Json]
CASES: dict[str, tuple[str, str, Variables]] = {
    "node.id": ("runId", EVERYTHING, lambda own, id: {"id": id}),
    "nodes.ids": ("agentId", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", lambda own, id: {"ids": [id]}),
    "workspace.id": ("workspaceId", query("workspace"), lambda own, id: {"id": id}),
    "agent.id": ("agentId", query("agent"), lambda own, id: {"id": id}),
    "thread.id": ("threadId", query("thread"), lambda own, id: {"id": id}),
    "run.id": ("runId", query("run"), lambda own, id: {"id": id}),
    "models.workspaceId": ("workspaceId", query("models", "workspaceId"), lambda own, id: {"id": id}),
    "createApiKey.workspaceId": (
        "workspaceId",
        CREATE_API_KEY,
        lambda own, id: {"input": {"workspaceId": id, "name": "Mine", "scopes": ["READ"]}},
    ),
    "revokeApiKey.apiKeyId": ("apiKeyId", REVOKE_API_KEY, lambda own, id: {"input": {"apiKeyId": id}}),
    "trustOperations.workspaceId": (
        "workspaceId",
        TRUST_OPERATIONS,
        lambda own, id: {"input": {"workspaceId": id, "documents": ["{ __typename }"]}},
    ),
    "distrustOperations.workspaceId": (
        "workspaceId",
        DISTRUST_OPERATIONS,
        lambda own, id: {"input": {"workspaceId": id, "documentIds": ["sha256:Mine"]}},
    ),
    "createEndUserToken.workspaceId": (
        "workspaceId",
        CREATE_END_USER_TOKEN,
        lambda own, id: {"input": {"workspaceId": id, "externalId": "Mine"}},
    ),
    "setProviderCredential.workspaceId": (
        "workspaceId",
        SET_PROVIDER_CREDENTIAL,
        lambda own, id: {"input": {"workspaceId": id, **CREDENTIAL}},
    ),
    "inviteMember.workspaceId": (
        "workspaceId",
        INVITE_MEMBER,
        lambda own, id: {"input": {"workspaceId": id, "email": "eve@example.com", "role": "VIEWER"}},
    ),
    "changeMemberRole.membershipId": (
        "membershipId",
        CHANGE_MEMBER_ROLE,
        lambda own, id: {"input": {"membershipId": id, "role": "VIEWER"}},
    ),
    "removeMember.membershipId": (
        "membershipId",
        REMOVE_MEMBER,
        lambda own, id: {"input": {"membershipId": id}},
    ),
    "transferOwnership.membershipId": (
        "membershipId",
        TRANSFER_OWNERSHIP,
        lambda own, id: {"input": {"membershipId": id}},
    ),
    "createAgent.workspaceId": (
        "workspaceId",
        CREATE_AGENT,
        lambda own, id: {"input": {"workspaceId": id, "name": "Mine", "config": CONFIG}},
    ),
    "createAgent.config.memoryBankId": (
        "agentId",  # there are no memory banks yet
        CREATE_AGENT,
        lambda own, id: {
            "input": {"workspaceId": own["workspaceId"], "name": "Mine", "config": CONFIG | {"memoryBankId": id}}
        },
    ),
    "updateAgent.agentId": ("agentId", UPDATE_AGENT, lambda own, id: {"input": {"agentId": id, "name": "Mine"}}),
    "updateAgent.config.memoryBankId": (
        "agentId",
        UPDATE_AGENT,
        lambda own, id: {"input": {"agentId": own["agentId"], "config": CONFIG | {"memoryBankId": id}}},
    ),
    "publishAgentVersion.agentVersionId": (
        "agentVersionId",
        PUBLISH_VERSION,
        lambda own, id: {"input": {"agentVersionId": id}},
    ),
    "archiveAgent.agentId": ("agentId", ARCHIVE_AGENT, lambda own, id: {"input": {"agentId": id}}),
    "startRun.agentId": ("agentId", START_RUN, lambda own, id: {"input": {"agentId": id, "message": "Hi"}}),
    "startRun.agentVersionId": (
        "agentVersionId",
        START_RUN,
        lambda own, id: {"input": {"agentId": own["agentId"], "message": "Hi", "agentVersionId": id}},
    ),
    "startRun.threadId": (
        "threadId",
        START_RUN,
        lambda own, id: {"input": {"agentId": own["agentId"], "message": "Hi", "threadId": id}},
    ),
    "cancelRun.runId": ("runId", CANCEL_RUN, lambda own, id: {"input": {"runId": id}}),
    "runEvents.runId": ("runId", RUN_EVENTS, lambda own, id: {"runId": id}),
}


def id_arguments() -> set[str]:
    """Every place in the schema's root fields that takes an id."""
    found = set()
    for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            for argument, value in field.args.items():
                found |= places(get_named_type(value.type), name if argument == "input" else f"{name}.{argument}")
    return found


def places(kind: Any, path: str) -> set[str]:
    if isinstance(kind, GraphQLInputObjectType):
        inner = [places(get_named_type(field.type), f"{path}.{name}") for name, field in kind.fields.items()]
        return set().union(*inner)
    return {path} if kind.name == "ID" else set()


async def outcome(member: Member, operation: str, variables: Json) -> list[Json]:
    """All that the caller learns, without what is new at each request."""
    async with member.client.connect() as socket:
        try:
            payloads = [payload async for payload in socket.stream(operation, **variables)]
        except OperationFailed as failure:
            payloads = [{"errors": failure.errors}]
    for payload in payloads:
        for error in payload.get("errors", []):
            del error["extensions"]["requestId"]
    return payloads


async def rows_of(database_url: str) -> dict[str, list[str]]:
    """All rows of the tables that somebody could change."""
    connection = await open_connection(database_url)
    tables = [module.removeprefix("models.") for module in TABLES]
    rows = {
        table: [str(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")] for table in tables
    }
    await connection.close()
    return rows


def test_every_argument_that_takes_an_id_is_tried() -> None:
    assert set(CASES) == id_arguments()


@pytest.mark.parametrize("case", CASES)
async def test_the_others_id_is_answered_like_one_that_names_nothing(
    tenants: tuple[Tenant, Tenant], database_url: str, case: str
) -> None:
    ada, bob = tenants
    kind, operation, variables = CASES[case]
    before = await rows_of(database_url)
    nothing = await outcome(ada.member, operation, variables(ada.ids, unknown_id(bob.ids[kind])))
    assert await outcome(ada.member, operation, variables(ada.ids, bob.ids[kind])) == nothing
    assert "Mine" not in str(nothing)
    assert "NOT_FOUND" in str(nothing) or "None" in str(nothing)
    assert await rows_of(database_url) == before


@pytest.mark.parametrize("case", CASES)
async def test_whoever_is_not_signed_in_learns_only_that(
    tenants: tuple[Tenant, Tenant], server: Server, case: str
) -> None:
    ada, _ = tenants
    nobody = replace(ada.member, client=server.client())
    kind, operation, variables = CASES[case]
    for id in (ada.ids[kind], "garbage"):
        [payload] = await outcome(nobody, operation, variables(ada.ids, id))
        assert [error["extensions"]["code"] for error in payload["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(
    "kind",
    [
        *("workspaceId", "agentId", "agentVersionId", "threadId", "runId", "messageId", "membershipId", "userId"),
        *("credentialId", "auditEventId", "apiKeyId", "endUserId"),
    ],
)
async def test_every_kind_of_node_is_found_by_its_owner_and_by_nobody_else(
    tenants: tuple[Tenant, Tenant], kind: str
) -> None:
    ada, bob = tenants
    found = (await bob.member.client.execute(EVERYTHING, id=bob.ids[kind]))["node"]
    assert found["id"] == bob.ids[kind]
    assert len(found) >= 3, "its own fields were read"
    assert (await ada.member.client.execute(EVERYTHING, id=bob.ids[kind]))["node"] is None


@pytest.mark.parametrize("name", ["agentId"])
async def test_a_filter_by_the_others_id_finds_nothing(tenants: tuple[Tenant, Tenant], name: str) -> None:
    ada, bob = tenants
    query = """query ($id: ID!, $filter: RunFilter) {
      workspace(id: $id) { runs(filter: $filter) { totalCount nodes { id } } }
    }"""
    for id in (bob.ids[name], unknown_id(bob.ids[name])):
        data = await ada.member.client.execute(query, id=ada.member.workspace_id, filter={name: id})
        assert data["workspace"]["runs"] == {"totalCount": 0, "nodes": []}


async def test_a_cursor_of_the_others_list_shows_nothing_of_it(tenants: tuple[Tenant, Tenant]) -> None:
    ada, bob = tenants
    query = """query ($id: ID!, $after: String) {
      workspace(id: $id) { runs(after: $after) { nodes { id } pageInfo { endCursor } } }
    }"""
    theirs = await bob.member.client.execute(query, id=bob.member.workspace_id)
    after = theirs["workspace"]["runs"]["pageInfo"]["endCursor"]
    ours = await ada.member.client.execute(query, id=ada.member.workspace_id, after=after)
    assert [node["id"] for node in ours["workspace"]["runs"]["nodes"]] in ([], [ada.ids["runId"]])


async def test_an_idempotency_key_of_the_other_is_free(tenants: tuple[Tenant, Tenant]) -> None:
    runs = [
        await start_run(tenant.member, {"id": tenant.ids["agentId"]}, "Hi", idempotencyKey="shared")
        for tenant in tenants
    ]
    assert runs[0]["id"] != runs[1]["id"]


async def test_a_viewer_looks_and_changes_nothing(
    tenants: tuple[Tenant, Tenant], server: Server, database_url: str
) -> None:
    ada, _ = tenants
    viewer = await colleague(server, ada.member, Role.VIEWER)
    before = await rows_of(database_url)
    for operation, input, argument in (
        (CREATE_AGENT, {"workspaceId": ada.ids["workspaceId"], "name": "Mine", "config": CONFIG}, "workspaceId"),
        (SET_PROVIDER_CREDENTIAL, {"workspaceId": ada.ids["workspaceId"], **CREDENTIAL}, "workspaceId"),
        (CREATE_API_KEY, {"workspaceId": ada.ids["workspaceId"], "name": "Mine", "scopes": ["READ"]}, "workspaceId"),
        (REVOKE_API_KEY, {"apiKeyId": ada.ids["apiKeyId"]}, "apiKeyId"),
        (TRUST_OPERATIONS, {"workspaceId": ada.ids["workspaceId"], "documents": ["{ __typename }"]}, "workspaceId"),
        (DISTRUST_OPERATIONS, {"workspaceId": ada.ids["workspaceId"], "documentIds": ["x"]}, "workspaceId"),
        (CREATE_END_USER_TOKEN, {"workspaceId": ada.ids["workspaceId"], "externalId": "Mine"}, "workspaceId"),
        (INVITE_MEMBER, {"workspaceId": ada.ids["workspaceId"], "email": "e@e.com", "role": "VIEWER"}, "workspaceId"),
        (CHANGE_MEMBER_ROLE, {"membershipId": ada.ids["membershipId"], "role": "VIEWER"}, "membershipId"),
        (REMOVE_MEMBER, {"membershipId": ada.ids["membershipId"]}, "membershipId"),
        (TRANSFER_OWNERSHIP, {"membershipId": ada.ids["membershipId"]}, "membershipId"),
        (UPDATE_AGENT, {"agentId": ada.ids["agentId"], "name": "Mine"}, "agentId"),
        (PUBLISH_VERSION, {"agentVersionId": ada.ids["agentVersionId"]}, "agentVersionId"),
        (ARCHIVE_AGENT, {"agentId": ada.ids["agentId"]}, "agentId"),
        (START_RUN, {"agentId": ada.ids["agentId"], "message": "Hi"}, "agentId"),
        (CANCEL_RUN, {"runId": ada.ids["runId"]}, "runId"),
    ):
        refused = await answer(viewer.client, operation, **input)
        expected = ("ForbiddenError", "FORBIDDEN", ["input", argument])
        assert (refused["__typename"], refused["code"], refused["path"]) == expected
    assert await rows_of(database_url) == before
    assert (await viewer.client.execute(EVERYTHING, id=ada.ids["runId"]))["node"]["input"] == "A secret"

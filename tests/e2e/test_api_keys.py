"""API keys over every transport: what programs do with them in the place of people."""

import pytest

from core.ids import parse
from core.permissions import Role, Scope
from core.tokens import new_key_secret
from tests.accounts import SIGN_OUT, Member, sign_up
from tests.client import Json
from tests.e2e.api_keys import as_key, make_key
from tests.e2e.colleagues import colleague
from tests.e2e.examples import EXAMPLES, Stage, send
from tests.e2e.test_permissions import NEEDED
from tests.e2e.test_usage import usage
from tests.event_streams import SSE, complete, stream
from tests.operations import (
    ACCEPT_INVITATION,
    API_KEY,
    REVOKE_API_KEY,
    RUN_EVENTS,
    answer,
    complete_run,
    create_agent,
    event_of,
    start_run,
)
from tests.servers.app import Server
from tests.servers.process import ServerProcess

MODEL = "local/smollm2-135m"
WORKSPACE = "{ viewer { id } workspace { id } }"
KEYS = f"query ($id: ID!) {{ workspace(id: $id) {{ name apiKeys {{ totalCount nodes {{ {API_KEY} }} }} }} }}"
STARTED_BY = "query ($id: ID!) { run(id: $id) { startedBy { id } startedByKey { id name } } }"
AUDIT = "query ($id: ID!) { workspace(id: $id) { auditEvents { nodes { action actor actorId targetId detail } } } }"


@pytest.fixture(scope="module")
async def owner(server: Server) -> Member:
    return await sign_up(server)


async def test_a_key_is_shown_once_and_listed_without_its_secret(server: Server) -> None:
    owner = await sign_up(server)
    made = await make_key(owner, "RUN", "READ", expiresAt="2099-01-01T00:00:00Z")
    key, secret = made["apiKey"], made["secret"]
    assert key | {"createdAt": ""} == {
        "id": key["id"],
        "name": "Nightly",
        "prefix": secret[:13],
        "kind": "SECRET",
        "scopes": ["READ", "RUN"],
        "allowedOrigins": [],
        "createdAt": "",
        "expiresAt": "2099-01-01T00:00:00Z",
        "lastUsedAt": None,
        "revokedAt": None,
    }
    assert key["id"].startswith("key_")
    listed = (await owner.client.execute(KEYS, id=owner.workspace_id))["workspace"]["apiKeys"]
    assert listed == {"totalCount": 1, "nodes": [key]}
    await server.client(secret).execute(WORKSPACE)
    revoked = (await answer(owner.client, REVOKE_API_KEY, apiKeyId=key["id"]))["apiKey"]
    assert revoked["revokedAt"] is not None
    assert revoked["lastUsedAt"] is not None
    [event, made_event, _] = (await owner.client.execute(AUDIT, id=owner.workspace_id))["workspace"]["auditEvents"][
        "nodes"
    ]
    assert [event["action"], made_event["action"]] == ["api_key.revoked", "api_key.created"]
    assert {event["targetId"], made_event["targetId"]} == {key["id"]}
    assert event["detail"]["before"] == made_event["detail"]["after"]
    assert made_event["detail"]["after"]["secret"] == f"{key['prefix']}***"


async def test_a_key_knows_its_workspace_over_each_transport(server: Server, owner: Member) -> None:
    program = await as_key(server, owner, "READ")
    over_http = await program.client.execute(WORKSPACE)
    [over_sse] = await complete(program.client, SSE, WORKSPACE)
    async with program.client.connect() as socket:
        [over_socket] = [result async for result in socket.stream(WORKSPACE)]
    for data in (over_http, over_sse["data"], over_socket["data"]):
        assert data == {"viewer": None, "workspace": {"id": owner.workspace_id}}


async def test_a_program_does_what_people_do_and_is_named_for_it(server: Server, owner: Member) -> None:
    program = await as_key(server, owner, "READ", "WRITE", "RUN", name="Deployer")
    run = await start_run(program, await create_agent(program, MODEL))
    async with program.client.connect() as socket:
        events = socket.stream(RUN_EVENTS, runId=run["id"])
        assert event_of(await anext(events))["run"]["id"] == run["id"]
    async with stream(program.client, SSE, RUN_EVENTS, runId=run["id"]) as opened:
        assert event_of(await opened.result())["run"]["id"] == run["id"]
    seen = (await owner.client.execute(STARTED_BY, id=run["id"]))["run"]
    assert (seen["startedBy"], seen["startedByKey"]["name"]) == (None, "Deployer")
    viewer = await colleague(server, owner, Role.VIEWER)
    assert (await viewer.client.execute(STARTED_BY, id=run["id"]))["run"]["startedByKey"] is None
    [event, *_] = (await owner.client.execute(AUDIT, id=owner.workspace_id))["workspace"]["auditEvents"]["nodes"]
    assert (event["action"], event["actor"], event["actorId"]) == (
        "agent.created",
        "Deployer",
        seen["startedByKey"]["id"],
    )


@pytest.mark.parametrize("mutation", [name for name, permission in NEEDED.items() if permission is not None])
async def test_a_mutation_takes_the_scope_that_the_table_says(server: Server, owner: Member, mutation: str) -> None:
    needed = NEEDED[mutation]
    assert needed is not None
    stage = Stage(server, owner, owner)
    for scope in Scope:
        program = await as_key(server, owner, scope.value)
        result = await send(program.client, mutation, (await EXAMPLES[mutation](stage)).input)
        if needed.scope is scope:
            assert "code" not in result, result
        else:
            assert (result["__typename"], result["code"]) == ("ForbiddenError", "FORBIDDEN"), (scope, result)


@pytest.mark.parametrize(
    ("operation", "input"),
    [
        (SIGN_OUT.replace("{ userId }", "{ userId } ... on Error { code }"), None),
        ('mutation { createWorkspace(input: {name: "Mine"}) { __typename ... on Error { code } } }', None),
        (ACCEPT_INVITATION, {"token": "x"}),
    ],
    ids=["signOut", "createWorkspace", "acceptInvitation"],
)
async def test_what_is_for_people_refuses_a_key_with_a_typed_error(
    server: Server, owner: Member, operation: str, input: Json | None
) -> None:
    program = await as_key(server, owner, *Scope)
    [result] = (await program.client.execute(operation, input=input)).values()
    assert (result["__typename"], result["code"]) == ("ForbiddenError", "FORBIDDEN")


async def test_a_key_that_is_not_for_reading_reads_nothing(server: Server, owner: Member) -> None:
    agent = await create_agent(owner, MODEL)
    program = await as_key(server, owner, "RUN")
    started = await answer(
        program.client,
        "mutation ($input: StartRunInput!) { startRun(input: $input) { ... on StartRunPayload { run { id } } } }",
        agentId=agent["id"],
        message="Hi",
    )
    for query, variables in (
        ("query ($id: ID!) { run(id: $id) { id } }", {"id": started["run"]["id"]}),
        ("query ($id: ID!) { node(id: $id) { id } }", {"id": agent["id"]}),
        ("{ workspace { id } }", {}),
        (RUN_EVENTS, {"runId": started["run"]["id"]}),
    ):
        async with program.client.connect() as socket:
            [refused] = [result async for result in socket.stream(query, **variables)]
        assert [error["extensions"]["code"] for error in refused["errors"]] == ["FORBIDDEN"]


async def test_a_key_sees_its_own_workspace_and_no_other_of_whoever_made_it(server: Server, owner: Member) -> None:
    program = await as_key(server, owner, *Scope)
    other = await sign_up(server)
    make = 'mutation { createWorkspace(input: {name: "B"}) { ... on CreateWorkspacePayload { workspace { id } } } }'
    second = (await owner.client.execute(make))["createWorkspace"]["workspace"]["id"]
    query = "query ($id: ID!) { workspace(id: $id) { id } }"
    assert (await program.client.execute(query, id=owner.workspace_id))["workspace"]
    for id in (other.workspace_id, second):
        assert (await program.client.execute(query, id=id))["workspace"] is None
    for id in (owner.user_id, other.user_id):
        node = (await program.client.execute("query ($id: ID!) { node(id: $id) { id } }", id=id))["node"]
        assert (node is not None) is (id == owner.user_id), "the members of its workspace, and nobody else"


async def test_below_admin_nobody_sees_keys(server: Server, owner: Member) -> None:
    key = (await make_key(owner, "READ"))["apiKey"]
    editor = await colleague(server, owner, Role.EDITOR)
    seen = await editor.client.send(KEYS, id=owner.workspace_id)
    assert (seen.codes, seen.body["data"]["workspace"]) == (["FORBIDDEN"], {"name": "Lab", "apiKeys": None})
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await editor.client.execute(node, id=key["id"]))["node"] is None
    assert (await owner.client.execute(node, id=key["id"]))["node"] == {"id": key["id"]}


@pytest.mark.parametrize("state", ["revoked", "unknown", "damaged"])
async def test_a_key_that_is_worth_nothing_is_refused_over_each_transport(
    server: Server, owner: Member, state: str
) -> None:
    made = await make_key(owner, "READ")
    secret: str = made["secret"]
    if state == "revoked":
        await answer(owner.client, REVOKE_API_KEY, apiKeyId=made["apiKey"]["id"])
    elif state == "unknown":
        secret = new_key_secret()
    else:
        secret = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    client = server.client(secret)
    assert (await client.send(WORKSPACE)).codes == ["UNAUTHENTICATED"] * 2
    [result] = await complete(client, SSE, WORKSPACE)
    assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    async with client.open() as socket:
        await socket.send(type="connection_init", payload=client.headers)
        assert (await socket.closed())[0] == 4403


async def test_usage_is_split_by_key(executing: ServerProcess, ada: Member) -> None:
    program = await as_key(executing, ada, "READ", "WRITE", "RUN", name="Nightly")
    agent = await create_agent(ada)
    for member in (ada, program, program):
        await complete_run(member, agent)
    groups = (await usage(ada, by="API_KEY"))["groups"]
    assert {group["label"]: group["totals"]["runs"] for group in groups} == {"No API key": 1, "Nightly": 2}
    keys = {group["label"]: group["key"] for group in groups}
    assert keys["No API key"] == ""
    assert parse(keys["Nightly"]) is not None

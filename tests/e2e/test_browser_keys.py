"""Browser keys: what web pages may do with a key that everybody can read, and whom they may do it for."""

import json
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from core import ids
from core.auth import KeyRing
from core.ids import IdPrefix
from models.database import APP_ROLE, open_connection
from tests.accounts import Member, sign_up
from tests.client import Answer, Json, Socket
from tests.e2e.api_keys import make_key
from tests.event_streams import SSE
from tests.operations import (
    CREATE_API_KEY,
    CREATE_END_USER_TOKEN,
    DISTRUST_OPERATIONS,
    REVOKE_API_KEY,
    TRUST_OPERATIONS,
    answer,
    create_agent,
    start_run,
)
from tests.servers.app import Server

SHOP = "https://shop.example"
MODEL = "local/smollm2-135m"
START = """mutation ($agentId: ID!, $message: String!, $threadId: ID, $key: String) {
  startRun(input: {agentId: $agentId, message: $message, threadId: $threadId, idempotencyKey: $key}) {
    __typename
    ... on StartRunPayload { replayed run { id status thread { id title } agent { name } } }
    ... on Error { code path }
  }
}"""
CANCEL = "mutation ($id: ID!) { cancelRun(input: {runId: $id}) { __typename ... on Error { code } } }"
WATCH = "subscription ($id: ID!) { runEvents(runId: $id) { __typename seq } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
OVERVIEW = """query {
  viewer { id }
  workspace {
    id name
    agents { totalCount nodes { name } }
    threads { totalCount nodes { id messages { totalCount nodes { text } } runs { nodes { id } } } }
    runs { totalCount nodes { id steps { totalCount } lastSeq endUser { externalId } startedByKey { id } } }
    members { totalCount nodes { id } }
  }
}"""
SECRETS = """query {
  workspace {
    apiKeys { nodes { id } } auditEvents { nodes { id } } providerCredentials { id }
    usage(from: "2020-01-01T00:00:00Z", to: "2020-01-02T00:00:00Z") { totals { runs } }
  }
}"""
MINT = """mutation ($id: ID!) {
  createEndUserToken(input: {workspaceId: $id, externalId: "other"}) { __typename ... on Error { code } }
}"""
TRUSTED = (START, CANCEL, WATCH, NODE, OVERVIEW, SECRETS, MINT)
TABLES_OF_AN_END_USER = ("threads", "runs", "messages", "run_events", "end_users")


def id_of(document: str) -> str:
    return f"sha256:{sha256(document.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of ``origin`` in a browser, which sends ids in place of documents."""

    url: str
    key: str
    token: str | None = None
    origin: str | None = SHOP

    @property
    def credentials(self) -> dict[str, str]:
        end_user = {"X-End-User-Token": self.token} if self.token else {}
        return {"Authorization": f"Bearer {self.key}"} | end_user

    @property
    def headers(self) -> dict[str, str]:
        return self.credentials | ({"Origin": self.origin} if self.origin else {})

    async def post(self, body: Json, **headers: str) -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, json=body, headers=self.headers | headers) as response,
        ):
            text = await response.text()
            if response.content_type == "text/event-stream":
                text = text.partition("data: ")[2].partition("\n")[0]
            return Answer(response.status, json.loads(text))

    async def run(self, document: str, **variables: Any) -> Answer:
        return await self.post({"documentId": id_of(document), "variables": variables})

    async def start(self, agent: Json, **variables: Any) -> Json:
        started: Json = (await self.run(START, agentId=agent["id"], message="Hi", **variables)).data["startRun"]
        return started

    def open(self) -> connect:
        url = self.url.replace("http", "ws", 1)
        origin = Origin(self.origin) if self.origin else None
        return connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], origin=origin)


@dataclass(frozen=True, slots=True)
class Shop:
    """A workspace with an agent and a page, which two end users use, and a visitor."""

    owner: Member
    agent: Json
    key: Json
    visitor: Page
    ann: Page
    ben: Page


async def token_of(member: Member, external_id: str) -> str:
    made = await answer(member.client, CREATE_END_USER_TOKEN, workspaceId=member.workspace_id, externalId=external_id)
    token: str = made["token"]
    return token


@pytest.fixture(scope="module")
async def shop(server: Server) -> Shop:
    owner = await sign_up(server, workspaceName="Shop")
    trusted = await answer(owner.client, TRUST_OPERATIONS, workspaceId=owner.workspace_id, documents=TRUSTED)
    assert trusted["documentIds"] == [id_of(document) for document in TRUSTED]
    key = await make_key(owner, "READ", "RUN", kind="BROWSER", allowedOrigins=[SHOP, "http://localhost:5173"])
    pages = [
        Page(f"{server.url}/graphql", key["secret"], token)
        for token in (None, await token_of(owner, "ann"), await token_of(owner, "ben"))
    ]
    return Shop(owner, await create_agent(owner, MODEL), key, *pages)


async def test_an_end_user_talks_and_sees_what_is_theirs_and_nothing_else(shop: Shop) -> None:
    theirs = await start_run(shop.owner, shop.agent, "An internal matter")
    started = {page: (await page.start(shop.agent))["run"] for page in (shop.ann, shop.ben)}
    for page, name in ((shop.ann, "ann"), (shop.ben, "ben")):
        seen = (await page.run(OVERVIEW)).data
        run = started[page]
        assert seen["viewer"] is None
        workspace = seen["workspace"]
        assert (workspace["name"], workspace["agents"]["nodes"]) == ("Shop", [{"name": "Greeter"}])
        assert workspace["members"] == {"totalCount": 0, "nodes": []}
        [thread] = workspace["threads"]["nodes"]
        assert thread["id"] == run["thread"]["id"]
        assert thread["messages"] == {"totalCount": 1, "nodes": [{"text": "Hi"}]}
        assert workspace["runs"] == {
            "totalCount": 1,
            "nodes": [
                {
                    "id": run["id"],
                    "steps": {"totalCount": 0},
                    "lastSeq": 1,
                    "endUser": {"externalId": name},
                    "startedByKey": None,
                }
            ],
        }
    other = started[shop.ben]
    for id in (other["id"], other["thread"]["id"], theirs["id"], theirs["thread"]["id"], shop.owner.user_id):
        assert (await shop.ann.run(NODE, id=id)).data["node"] is None
    assert (await shop.ann.run(NODE, id=started[shop.ann]["id"])).data["node"]["__typename"] == "Run"
    for run in (other, theirs):
        refused = await shop.ann.start(shop.agent, threadId=run["thread"]["id"])
        assert (refused["code"], refused["path"]) == ("NOT_FOUND", ["input", "threadId"])
        assert (await shop.ann.run(CANCEL, id=run["id"])).data["cancelRun"]["code"] == "NOT_FOUND"
    assert (await shop.ann.run(CANCEL, id=started[shop.ann]["id"])).data["cancelRun"] == {
        "__typename": "CancelRunPayload"
    }


async def test_the_workspace_sees_whose_a_conversation_is_and_what_members_add_is_theirs_too(shop: Shop) -> None:
    run = (await shop.ann.start(shop.agent))["run"]
    query = """query ($id: ID!) {
      run(id: $id) { startedBy { id } startedByKey { id } endUser { externalId } thread { endUser { externalId } } }
    }"""
    seen = (await shop.owner.client.execute(query, id=run["id"]))["run"]
    ann = {"externalId": "ann"}
    key_id = {"id": shop.key["apiKey"]["id"]}
    assert seen == {"startedBy": None, "startedByKey": key_id, "endUser": ann, "thread": {"endUser": ann}}
    added = await start_run(shop.owner, shop.agent, "And?", threadId=run["thread"]["id"])
    assert (await shop.ann.run(NODE, id=added["id"])).data["node"] == {"__typename": "Run", "id": added["id"]}


async def test_row_level_security_alone_keeps_end_users_apart(shop: Shop, database_url: str) -> None:
    await shop.ann.start(shop.agent)
    await shop.ben.start(shop.agent)
    connection = await open_connection(database_url)
    workspace_id = ids.decode(IdPrefix.WORKSPACE, shop.owner.workspace_id)
    owner = "SELECT id FROM end_users WHERE workspace_id = $1 AND external_id = 'ann'"
    ann = await connection.fetchval(owner, workspace_id)
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND NOT relispartition AND relkind IN ('r', 'p')"
    )
    await connection.execute(f"SET ROLE {APP_ROLE}")
    await connection.execute("SELECT set_config('app.end_user_id', $1, false)", str(ann))
    await connection.execute("SELECT set_config('app.page_workspace_id', $1, false)", str(workspace_id))
    seen = {table: await connection.fetch(f"SELECT * FROM {table}") for [table] in tables}
    await connection.execute("RESET ROLE")
    shared = {"workspaces", "agents", "agent_versions", "trusted_operations"}
    own = {table for table, rows in seen.items() if rows} - shared - {"idempotency_keys"}
    assert own == set(TABLES_OF_AN_END_USER)
    assert {row["id"] for row in seen["workspaces"]} == {workspace_id}
    assert {row["end_user_id"] for table in ("threads", "runs") for row in seen[table]} == {ann}
    runs = {row["id"] for row in seen["runs"]}
    assert {row["run_id"] for table in ("messages", "run_events") for row in seen[table]} <= runs
    await connection.close()


async def test_idempotency_keys_of_end_users_are_their_own(shop: Shop) -> None:
    first, again, other = [await page.start(shop.agent, key="mine") for page in (shop.ann, shop.ann, shop.ben)]
    assert first["run"]["id"] == again["run"]["id"] != other["run"]["id"]
    assert (again["replayed"], other["replayed"]) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ workspace { id name slug } }"},
        {"documentId": id_of("{ workspace { id name slug } }")},
        {"documentId": "sha256:"},
        {"documentId": ""},
        {"documentId": id_of(OVERVIEW), "query": None, "extensions": {"persistedQuery": {"version": 1}}},
        {"query": OVERVIEW + " "},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
    ],
    ids=["text", "id", "no hash", "empty", "both", "almost", "hash"],
)
async def test_a_page_runs_trusted_operations_only(shop: Shop, body: Json, request: pytest.FixtureRequest) -> None:
    allowed = "both" in request.node.name
    result = await shop.ann.post(body)
    assert (result.codes == []) is allowed
    if not allowed:
        assert result.codes == ["FORBIDDEN"]
        streamed = await shop.ann.post(body, Accept=SSE)
        assert streamed.codes == ["FORBIDDEN"]
        async with shop.ann.open() as connection:
            socket = await acknowledged(connection, shop.ann)
            await socket.send(id="1", type="subscribe", payload=body)
            assert (await socket.receive())["payload"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("by", ["text", "Apollo's hash"])
async def test_a_trusted_operation_may_be_named_in_other_ways_too(shop: Shop, by: str) -> None:
    hash = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": id_of(OVERVIEW)[7:]}}}
    result = await shop.ann.post({"query": OVERVIEW} if by == "text" else hash)
    assert result.data["workspace"]["id"] == shop.owner.workspace_id


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://shop.example", "null", None, "https://shop.example:8443"]
)
async def test_a_key_works_from_its_own_pages_only(shop: Shop, origin: str | None) -> None:
    elsewhere = Page(shop.ann.url, shop.ann.key, shop.ann.token, origin)
    for accept in ("application/json", SSE):
        result = await elsewhere.post({"query": "{ workspace { id } }"}, Accept=accept)
        assert result.codes == ["UNAUTHENTICATED"]
        assert (await elsewhere.post({"documentId": id_of(OVERVIEW)}, Accept=accept)).errors
    async with elsewhere.open() as connection:
        socket = Socket(connection)
        await socket.send(type="connection_init", payload=elsewhere.credentials)
        assert await socket.closed() == (4403, "This API key is not for pages of this origin.")


async def test_a_visitor_looks_around_and_starts_nothing(shop: Shop) -> None:
    await shop.ann.start(shop.agent)
    workspace = (await shop.visitor.run(OVERVIEW)).data["workspace"]
    assert workspace["agents"]["totalCount"] == 1
    assert (workspace["threads"]["nodes"], workspace["runs"]["nodes"], workspace["members"]["nodes"]) == ([], [], [])
    assert (await shop.visitor.start(shop.agent))["code"] == "FORBIDDEN"


async def test_nobody_on_a_page_sees_what_is_for_admins_or_makes_tokens(shop: Shop) -> None:
    for page in (shop.visitor, shop.ann):
        secrets = await page.run(SECRETS)
        assert set(secrets.codes) == {"FORBIDDEN"}
        assert (await page.run(MINT, id=shop.owner.workspace_id)).data["createEndUserToken"]["code"] == "FORBIDDEN"


async def acknowledged(connection: Any, page: Page) -> Socket:
    socket = Socket(connection)
    await socket.send(type="connection_init", payload=page.credentials)
    assert await socket.receive() == {"type": "connection_ack"}
    return socket


async def test_a_page_watches_its_runs_over_a_socket_until_the_key_is_revoked(server: Server, shop: Shop) -> None:
    key = await make_key(shop.owner, "READ", "RUN", kind="BROWSER", allowedOrigins=[SHOP])
    page = Page(shop.ann.url, key["secret"], shop.ann.token)
    own, other = (await page.start(shop.agent))["run"], (await shop.ben.start(shop.agent))["run"]
    async with page.open() as connection:
        socket = await acknowledged(connection, page)
        for run, expected in ((other, None), (own, "RunStarted")):
            payload = {"documentId": id_of(WATCH), "variables": {"id": run["id"]}}
            await socket.send(id=run["id"], type="subscribe", payload=payload)
            result = (await socket.receive())["payload"]
            if expected is None:
                assert result["errors"][0]["extensions"]["code"] == "NOT_FOUND"
                assert (await socket.receive())["type"] == "complete"
            else:
                assert result["data"]["runEvents"]["__typename"] == expected
        await answer(shop.owner.client, REVOKE_API_KEY, apiKeyId=key["apiKey"]["id"])
        assert (await socket.receive())["payload"][0]["message"] == "The API key was revoked."
        assert await socket.closed() == (4403, "The API key was revoked.")


async def test_a_page_goes_on_with_a_fresh_token_of_the_same_end_user(server: Server, shop: Shop) -> None:
    keys: KeyRing = server.app.state.runtime.keys
    claims = keys.verify_end_user_token(shop.ann.token or "")
    short, _ = keys.issue_end_user_token(claims.end_user_id, claims.workspace_id, timedelta(seconds=2))
    page = Page(shop.ann.url, shop.ann.key, short)
    for fresh, reason in (
        (shop.ann, None),
        (shop.ben, "The token is not of whoever opened the socket."),
        (page, "The end user's token, or the API key, has expired."),
    ):
        async with page.open() as connection:
            socket = await acknowledged(connection, page)
            await socket.send(type="ping", payload=fresh.credentials)
            if fresh is shop.ben:
                assert await socket.closed() == (4403, reason)
                continue
            assert await socket.receive() == {"type": "pong"}
            if reason:
                assert await socket.closed() == (4403, reason)


@pytest.mark.parametrize("whose", ["an access token's place", "another workspace's", "with a secret key", "damaged"])
async def test_an_end_users_token_goes_with_a_browser_key_of_its_workspace(
    server: Server, shop: Shop, whose: str
) -> None:
    token = shop.ann.token or ""
    match whose:
        case "an access token's place":
            page = Page(shop.ann.url, token)
        case "another workspace's":
            page = Page(shop.ann.url, shop.ann.key, await token_of(await sign_up(server), "ann"))
        case "with a secret key":
            page = Page(shop.ann.url, (await make_key(shop.owner, "READ"))["secret"], token)
        case _:
            page = Page(shop.ann.url, shop.ann.key, token[:-4] + "AAAA")
    assert (await page.post({"query": "{ workspace { id } }"})).codes == ["UNAUTHENTICATED"]


async def test_what_is_no_longer_trusted_is_refused(shop: Shop) -> None:
    document = "{ workspace { slug } }"
    workspace = {"workspaceId": shop.owner.workspace_id}
    for _ in range(2):
        await answer(shop.owner.client, TRUST_OPERATIONS, **workspace, documents=[document])
    assert (await shop.ann.run(document)).data["workspace"]
    await answer(shop.owner.client, DISTRUST_OPERATIONS, **workspace, documentIds=[id_of(document)])
    assert (await shop.ann.run(document)).codes == ["FORBIDDEN"]


@pytest.mark.parametrize("document", ["{", "{ nothing }", "{ a: __typename } \x00"])
async def test_what_is_no_document_is_not_trusted(shop: Shop, document: str) -> None:
    documents = ["{ __typename }", document]
    refused = await answer(
        shop.owner.client, TRUST_OPERATIONS, workspaceId=shop.owner.workspace_id, documents=documents
    )
    assert (refused["code"], refused["path"]) == ("VALIDATION_FAILED", ["input", "documents", "1"])


@pytest.mark.parametrize(
    ("input", "place"),
    [
        ({"externalId": " "}, "externalId"),
        ({"externalId": "x" * 256}, "externalId"),
        ({"lifetimeSeconds": 0}, "lifetimeSeconds"),
        ({"lifetimeSeconds": 86_401}, "lifetimeSeconds"),
    ],
)
async def test_what_a_token_can_not_be_says_why(shop: Shop, input: Json, place: str) -> None:
    values = {"workspaceId": shop.owner.workspace_id, "externalId": "x"} | input
    refused = await answer(shop.owner.client, CREATE_END_USER_TOKEN, **values)
    assert (refused["code"], refused["path"]) == ("VALIDATION_FAILED", ["input", place])


async def test_a_browser_keys_secret_looks_like_one(shop: Shop) -> None:
    assert shop.key["secret"].startswith("pk_syn_")
    made = await answer(
        shop.owner.client,
        CREATE_API_KEY,
        workspaceId=shop.owner.workspace_id,
        name="Page",
        kind="BROWSER",
        scopes=["READ", "ADMIN"],
        allowedOrigins=[SHOP],
    )
    assert (made["code"], made["path"]) == ("VALIDATION_FAILED", ["input", "scopes"])

"""The audit record: no change of members, roles, credentials or agents without it, and no way to alter it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from core import ids
from core.ids import IdPrefix
from core.permissions import Role
from models.database import APP_ROLE, fetch, open_connection, transaction
from services import audit
from services.audit import Action
from tests.accounts import Member, sign_up, with_new_workspace
from tests.client import Json
from tests.e2e.colleagues import colleague
from tests.e2e.examples import EXAMPLES, MODEL, Stage, mutations, send
from tests.operations import SET_PROVIDER_CREDENTIAL, UPDATE_AGENT, answer, create_agent
from tests.servers.app import Server

# What may change without a trace, and why; a new table and a new mutation are held to leave one.
UNAUDITED_TABLES = {
    "aerich": "versions of the schema",
    "audit_events": "the record itself",
    "former_members": "says again what the event of their going says",
    "idempotency_keys": "come and go with requests",
    "refresh_tokens": "sessions are people's own, and of no workspace",
    "users": "accounts are people's own, and of no workspace",
    **dict.fromkeys(
        ("threads", "messages", "runs", "run_steps", "run_events", "llm_calls"),
        "runs are work, not configuration; they are a record of their own, with who started each",
    ),
}
UNAUDITED = {
    "signIn": "sessions are people's own, and of no workspace",
    "refreshSession": "as signIn",
    "signOut": "as signIn",
    "startRun": "a run is a record of its own, with who started it",
    "cancelRun": "as startRun",
}
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""
RECORD = """
query ($id: ID!, $first: Int, $after: String, $filter: AuditEventFilter) {
  workspace(id: $id) {
    name
    auditEvents(first: $first, after: $after, filter: $filter) {
      totalCount
      nodes { id at action actor actorId targetId detail }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
SECRET = "sk-of-this-tenant-4711"


async def record_of(member: Member, **arguments: Any) -> list[Json]:
    """The record of the member's workspace, newest first."""
    data = await member.client.execute(RECORD, id=member.workspace_id, **arguments)
    events: list[Json] = data["workspace"]["auditEvents"]["nodes"]
    return events


async def audited_rows(connection: Any) -> dict[str, str]:
    """What may not change without a trace, each row with the transaction that wrote it."""
    tables = [table for (table,) in await connection.fetch(TABLES) if table not in UNAUDITED_TABLES]
    return {
        str(row): row["transaction"]
        for table in tables
        for row in await connection.fetch(f"SELECT xmin::text AS transaction, t.* FROM {table} t")
    }


@asynccontextmanager
async def as_application(database_url: str) -> AsyncIterator[Any]:
    """A connection with the application's rights, which may set the tenant as it likes."""
    connection = await open_connection(database_url)
    try:
        await connection.execute(f"SET ROLE {APP_ROLE}")
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def stage(server: Server) -> Stage:
    return Stage(server, await sign_up(server), await sign_up(server))


@pytest.mark.parametrize("mutation", mutations())
async def test_a_mutation_that_changes_what_is_audited_leaves_an_event(
    stage: Stage, database_url: str, mutation: str
) -> None:
    call = await EXAMPLES[mutation](replace(stage, owner=await with_new_workspace(stage.owner)))
    connection = await open_connection(database_url)
    before = await audited_rows(connection)
    newest = await connection.fetchval("SELECT max(id::text)::uuid FROM audit_events")
    result = await send(call.client, mutation, call.input)
    assert "code" not in result, result
    after = await audited_rows(connection)
    changed = after != before
    events = await connection.fetch("SELECT xmin::text AS transaction, * FROM audit_events WHERE id > $1", newest)
    await connection.close()
    assert changed is (mutation not in UNAUDITED), f"{mutation}: its example should show what it does"
    assert bool(events) is changed, f"{mutation} is to write an audit event of what it changes, and of nothing else"
    transactions = {event["transaction"] for event in events}
    assert {after[row] for row in after.keys() - before.keys()} <= transactions, "in the transaction of the change"
    for event in events:
        assert event["actor"].endswith("@example.com")
        assert ids.parse(event["actor_id"]) is not None
        assert ids.parse(event["target_id"]) is not None
        detail = json.loads(event["detail"])
        assert detail.keys() == {"before", "after"}
        assert detail["before"] != detail["after"]


async def test_the_record_says_who_did_what_to_whom(server: Server) -> None:
    owner = await sign_up(server)
    admin = await colleague(server, owner, Role.ADMIN)
    stage = Stage(server, owner, owner)
    key = (await stage.member())["membershipId"]
    await send(admin.client, "changeMemberRole", {"membershipId": key, "role": "VIEWER"})
    await send(admin.client, "changeMemberRole", {"membershipId": key, "role": "VIEWER"})
    await send(admin.client, "removeMember", {"membershipId": key})
    removed, changed, created = await record_of(owner)
    user_id = removed["detail"]["before"]["userId"]
    assert (removed["action"], removed["targetId"]) == ("member.removed", key)
    assert removed["detail"] == {"before": {"userId": user_id, "role": "VIEWER"}, "after": None}
    assert (changed["action"], changed["actor"], changed["actorId"]) == (
        "member.role_changed",
        admin.email,
        admin.user_id,
    )
    assert changed["detail"]["before"] == {"userId": user_id, "role": "EDITOR"}
    assert changed["detail"]["after"] == {"userId": user_id, "role": "VIEWER"}
    assert (created["action"], created["targetId"]) == ("workspace.created", owner.workspace_id)


async def test_a_removed_members_name_stays_on_the_record(server: Server) -> None:
    owner = await sign_up(server)
    editor = await colleague(server, owner, Role.EDITOR)
    input = {"workspaceId": owner.workspace_id, "name": "Theirs", "config": {"model": MODEL}}
    await send(editor.client, "createAgent", input)
    members = "query ($id: ID!) { workspace(id: $id) { members(first: 2) { nodes { id } } } }"
    nodes = (await owner.client.execute(members, id=owner.workspace_id))["workspace"]["members"]["nodes"]
    await send(owner.client, "removeMember", {"membershipId": nodes[1]["id"]})
    [made] = await record_of(owner, filter={"action": ["agent.created"]})
    assert (made["actor"], made["actorId"]) == (editor.email, editor.user_id)


async def test_secrets_are_masked(server: Server, database_url: str) -> None:
    owner = await sign_up(server)
    for key in (SECRET, f"{SECRET}2"):
        await answer(
            owner.client, SET_PROVIDER_CREDENTIAL, workspaceId=owner.workspace_id, provider="OPENAI", apiKey=key
        )
    token = await Stage(server, owner, await sign_up(server)).invitation()
    _, second, first, _ = await record_of(owner)
    assert first["detail"]["before"] is None
    assert second["detail"]["before"] == first["detail"]["after"]
    assert (second["detail"]["before"]["apiKey"], second["detail"]["after"]["apiKey"]) == ("***4711", "***7112")
    connection = await open_connection(database_url)
    text = await connection.fetchval("SELECT string_agg(a::text, '') FROM audit_events a")
    await connection.close()
    assert SECRET not in text
    assert token not in text


async def test_a_change_of_an_agent_shows_both_sides_and_its_new_version(server: Server) -> None:
    owner = await sign_up(server)
    agent = await create_agent(owner, MODEL)
    config = {"model": MODEL}
    changed = await answer(owner.client, UPDATE_AGENT, agentId=agent["id"], name="Renamed", config=config)
    updated, created, _ = await record_of(owner)
    assert (updated["action"], updated["targetId"]) == ("agent.updated", agent["id"])
    assert updated["detail"]["before"] == created["detail"]["after"]
    assert (updated["detail"]["before"]["name"], updated["detail"]["after"]["name"]) == ("Greeter", "Renamed")
    assert updated["detail"]["after"]["liveVersionId"] == changed["version"]["id"]
    assert updated["detail"]["after"]["newVersionId"] == changed["version"]["id"]


async def test_the_record_is_paged_and_filtered(server: Server) -> None:
    owner = await sign_up(server)
    agents = [await create_agent(owner, MODEL) for _ in range(3)]
    page = await owner.client.execute(RECORD, id=owner.workspace_id, first=2)
    events = page["workspace"]["auditEvents"]
    assert (events["totalCount"], events["pageInfo"]["hasNextPage"]) == (4, True)
    rest = await record_of(owner, after=events["pageInfo"]["endCursor"])
    assert [event["targetId"] for event in events["nodes"] + rest] == [
        *(agent["id"] for agent in reversed(agents)),
        owner.workspace_id,
    ]
    for filter, count in (
        ({"action": ["agent.created"]}, 3),
        ({"action": ["agent.created", "workspace.created"]}, 4),
        ({"action": []}, 0),
        ({"targetId": agents[0]["id"]}, 1),
        ({"actorId": owner.user_id}, 4),
        ({"actorId": agents[0]["id"]}, 0),
        ({"atAfter": rest[0]["at"]}, 2),
        ({"atBefore": rest[0]["at"]}, 1),
    ):
        assert len(await record_of(owner, filter=filter)) == count, filter


@pytest.mark.parametrize("filter", [{"actorId": "garbage"}, {"targetId": "\x00"}, {"action": ["\x00"]}], ids=str)
async def test_a_filter_that_can_not_be_is_a_validation_error(server: Server, filter: Json) -> None:
    owner = await sign_up(server)
    refused = await owner.client.send(RECORD, id=owner.workspace_id, filter=filter)
    assert refused.codes == ["VALIDATION_FAILED"]


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
async def test_below_admin_nobody_reads_the_record(server: Server, role: Role) -> None:
    owner = await sign_up(server)
    member = await colleague(server, owner, role)
    seen = await member.client.send(RECORD, id=owner.workspace_id)
    assert seen.codes == ["FORBIDDEN"]
    assert seen.body["data"]["workspace"] == {"name": "Lab", "auditEvents": None}
    [event] = await record_of(owner)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await member.client.execute(node, id=event["id"]))["node"] is None
    assert (await owner.client.execute(node, id=event["id"]))["node"] == {"id": event["id"]}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_events SET actor = 'nobody'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
async def test_the_application_can_not_alter_the_record(server: Server, database_url: str, statement: str) -> None:
    await sign_up(server)
    async with as_application(database_url) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_row_level_security_alone_keeps_the_record_as_it_is(server: Server, database_url: str) -> None:
    """Were the application granted more, by mistake."""
    owner = await sign_up(server)
    key = str(ids.decode(IdPrefix.WORKSPACE, owner.workspace_id))
    connection = await open_connection(database_url)
    attempt = connection.transaction()
    await attempt.start()
    await connection.execute(f"GRANT ALL ON audit_events TO {APP_ROLE}; SET LOCAL ROLE {APP_ROLE}")
    await connection.execute("SELECT set_config('app.workspace_ids', $1, true)", key)
    assert await connection.fetchval("SELECT count(*) FROM audit_events") == 1
    assert await connection.execute("UPDATE audit_events SET actor = 'nobody'") == "UPDATE 0"
    assert await connection.execute("DELETE FROM audit_events") == "DELETE 0"
    await attempt.rollback()
    await connection.close()


async def test_deleting_a_workspace_does_not_empty_its_record(server: Server, database_url: str) -> None:
    owner = await sign_up(server)
    key = str(ids.decode(IdPrefix.WORKSPACE, owner.workspace_id))
    async with as_application(database_url) as connection:
        await connection.execute("SELECT set_config('app.workspace_ids', $1, false)", key)
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("DELETE FROM workspaces")
    assert len(await record_of(owner)) == 1


async def test_a_change_without_an_event_does_not_happen(server: Server) -> None:
    """The event is written in the transaction of the change: where it can't be, there is no change."""
    owner, stranger = await sign_up(server), await sign_up(server)
    key = ids.decode(IdPrefix.WORKSPACE, owner.workspace_id)

    async def change() -> None:
        async with transaction([key]) as connection:
            await fetch(connection, "UPDATE workspaces SET name = 'Taken' WHERE id = $1", key)
            actor = ids.decode(IdPrefix.USER, stranger.user_id)
            await audit.record(connection, actor, key, Action.WORKSPACE_CREATED, (IdPrefix.WORKSPACE, key))

    with pytest.raises(RuntimeError, match="not visible"):
        await change()
    data = await owner.client.execute(RECORD, id=owner.workspace_id)
    assert data["workspace"]["name"] == "Lab"

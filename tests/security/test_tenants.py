"""Two tenants on one server: wherever the schema takes an id, the other's is answered like one that names nothing,
changes nothing and shows nothing; with all of the server's checks, and with row-level security alone.

What is tried is made from the schema: what is new there is tried by itself, or fails a test here.
"""

from collections.abc import Callable, Sequence

import pytest

from models.database import open_connection
from tests.accounts import with_new_workspace
from tests.e2e.examples import EXAMPLES, Stage, mutations
from tests.operations import CREATE_AGENT, answer
from tests.security.attempts import (
    NOTHING_YET,
    attempts,
    mutations_with_ids,
    pages_at_cursors,
    read,
    reading_places,
    tried_places,
)
from tests.security.conftest import Walls, without_permissions
from tests.security.logs import logged
from tests.security.places import SCHEMA, connections, id_fields, id_places, node_query, operation
from tests.security.tenant import UNNAMED
from tests.security.wire import Document, Reply, ids_in, wire
from tests.security.world import World, fingerprints

RecordProperty = Callable[[str, object], None]
CALLERS = ("the owner of another workspace", "a removed admin", "a session that was signed out", "nobody")
# Of types that nothing makes yet.
FIELDS_OF_NOTHING_YET = {"Approval.id", "Budget.id"}
OWN_ID = "SignOutPayload.userId"
# Columns whose values are ours to choose, ids, hashes and ciphertexts.
WITHOUT_MARKERS = {
    *("status", "role", "kind", "type", "provider", "action", "failure_code", "executor_id", "actor_id", "target_id"),
    *("token_hash", "password_hash", "request_hash", "key_hint", "kid"),
}
# Tables that no tenant has anything in.
SYSTEM_TABLES = {"aerich"}
TEXT_COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype) AND NOT a.attisdropped
"""


def test_everything_in_the_schema_is_tried(record_property: RecordProperty, world: World) -> None:
    """A new field must be seen by its owner, and a new argument or input be of use to them: by the tests below."""
    untried = [place for place in id_places() if place not in tried_places()]
    assert {place.input_name for place in untried} == set(NOTHING_YET)
    assert not [name for name in NOTHING_YET.values() if name in SCHEMA.type_map], "there is something now: try it"
    assert set(mutations_with_ids()) == set(mutations()) - set(UNNAMED)
    assert set(CALLERS) == set(world.callers)
    record_property("tried: fields", len(id_fields() - FIELDS_OF_NOTHING_YET) + len(connections()))
    record_property("tried: arguments", len(tried_places()))


async def test_the_other_tenant_has_a_marker_in_every_text(world: World, database_url: str) -> None:
    marker, connection = world.bob.marker, await open_connection(database_url)
    columns = [
        (table, column)
        for table, column in await connection.fetch(TEXT_COLUMNS)
        if table not in SYSTEM_TABLES and column not in WITHOUT_MARKERS
    ]
    marked = [
        (table, column)
        for table, column in columns
        if await connection.fetchval(f"SELECT bool_or(position($1 IN {column}::text) > 0) FROM {table}", marker)
    ]
    await connection.close()
    assert marked == columns


async def test_the_owner_is_shown_every_id_that_others_are_not(world: World) -> None:
    owner = await with_new_workspace(world.bob.owner)
    shown = set(world.of_bob.fields)
    async with wire(owner.client) as sender:
        for name in mutations_with_ids():
            # In a workspace of its own, as each may take away what the next one needs.
            stage = Stage(world.server, await with_new_workspace(owner), guest=owner)
            call = await EXAMPLES[name](stage)
            reply = await sender.send(Document(operation("Mutation", name), {"input": call.input}))
            shown |= reply.named_ids().keys()
    assert id_fields() - shown == FIELDS_OF_NOTHING_YET | {OWN_ID}
    assert world.bob.marker in world.of_bob.text
    assert {f"{kind}Connection" for kind in ("Agent", "Run", "Message")} <= world.of_bob.cursors.keys()


async def test_the_owner_reads_with_the_ids_that_others_read_nothing_with(world: World) -> None:
    """Each place is one that something comes of, for whoever may."""
    useless = set()
    async with wire(world.bob.owner.client) as sender:
        for place in reading_places():
            tries = [read(world, place, found[0], of="bob") for found in world.of_bob.ids.values()]
            theirs = await sender.send_all([each.theirs for each in tries])
            nothing = await sender.send_all([each.nothing for each in tries])
            differ = [each for each, *pair in zip(tries, theirs, nothing, strict=True) if each.differences(*pair)]
            useless |= set() if differ else {str(place)}
    assert not useless


@pytest.mark.parametrize("name", CALLERS)
async def test_nothing_of_the_other_tenant_is_shown_or_changed(
    world: World, database_url: str, record_property: RecordProperty, walls: Walls, name: str
) -> None:
    caller = world.callers[name]
    tries = [each for each in attempts(world) if caller.connect is wire or not each.is_stream]
    before = await fingerprints(database_url)
    with logged() as log:
        async with caller.connect(caller.client) as sender:
            theirs = await sender.send_all([each.theirs for each in tries])
            nothing = await sender.send_all([each.nothing for each in tries])
            pages = await sender.send_all(pages_at_cursors(world))
    after = await fingerprints(database_url)
    assert [table for table, rows in after.items() if rows != before[table]] == []
    found = [line for each, *pair in zip(tries, theirs, nothing, strict=True) for line in each.differences(*pair)]
    assert not found, "\n".join(found)
    sent = [set(each.replaced) for each in tries] + [set()] * len(pages)
    assert not leaks(world, [*theirs, *pages], sent)
    assert world.bob.marker not in log.getvalue()
    if not caller.is_known:
        refused = [*theirs, *nothing, *pages]
        assert not [reply.text for reply in refused if set(reply.codes) != {"UNAUTHENTICATED"}]
    record_property("tried: documents", len(theirs) + len(nothing) + len(pages))


async def test_a_viewer_of_the_other_tenant_reads_and_writes_nothing(world: World, database_url: str) -> None:
    names = mutations_with_ids()
    before = await fingerprints(database_url)
    async with wire(world.viewer.client) as sender:
        refused = await sender.send_all(
            [Document(operation("Mutation", name), {"input": world.bob.inputs[name]}) for name in names]
        )
        [read] = await sender.send_all([Document(node_query("Run"), {"id": world.bob.run_id})])
    after = await fingerprints(database_url)
    assert [table for table, rows in after.items() if rows != before[table]] == []
    assert [reply.data[name]["__typename"] for name, reply in zip(names, refused, strict=True)] == [
        "ForbiddenError" for _ in names
    ]
    assert world.bob.marker in read.text


async def test_without_permissions_a_viewer_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken away, for row-level security to be alone, is all that there is: roles are no matter of it."""
    without_permissions(monkeypatch)
    agent = {**world.bob.inputs["createAgent"], "idempotencyKey": None}
    assert (await answer(world.viewer.client, CREATE_AGENT, **agent))["__typename"] == "CreateAgentPayload"


def leaks(world: World, replies: Sequence[Reply], sent: Sequence[set[str]]) -> list[str]:
    """The answers that show something of bob's which the caller did not send."""
    return [
        reply.text
        for reply, known in zip(replies, sent, strict=True)
        if world.bob.marker in reply.text or (ids_in(reply.text) & world.secrets) - known
    ]

"""Two tenants, all that there is to know about each, and the callers who are to learn nothing of the second one."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from core import ids
from core.ids import IdPrefix, new_id
from core.permissions import Role
from models.database import open_connection
from tests.accounts import PASSWORD, SIGN_IN, SIGN_OUT, Member
from tests.client import Client
from tests.e2e.colleagues import add_member, colleague
from tests.operations import CREATE_AGENT, REMOVE_MEMBER, answer
from tests.security.places import node_query, operation
from tests.security.tenant import Tenant, make_tenant
from tests.security.wire import Document, Reply, Wire, http, ids_in, wire
from tests.servers.app import Server

NODE_TYPE = "query ($id: ID!) { node(id: $id) { __typename } }"


@dataclass(slots=True)
class Known:
    """What an owner can find out about their tenant: ids by prefix, and the types of what they name; the fields that
    ids stood in; cursors by the type of their connection; everything that was said.
    """

    ids: dict[str, list[str]] = field(default_factory=dict)
    type_names: dict[str, str] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    cursors: dict[str, set[str]] = field(default_factory=dict)
    text: str = ""

    @property
    def all_ids(self) -> set[str]:
        return {id for of_prefix in self.ids.values() for id in of_prefix}

    def named(self, type_name: str) -> list[str]:
        """The ids of objects of a type."""
        return [id for prefix, name in self.type_names.items() if name == type_name for id in self.ids[prefix]]

    def add(self, reply: Reply) -> None:
        self.text += reply.text
        self.add_ids(reply.text)
        self.fields |= reply.named_ids().keys()
        for connection, cursors in reply.cursors().items():
            self.cursors.setdefault(connection, set()).update(cursors)

    def add_ids(self, text: str) -> None:
        for id in sorted(ids_in(text) - self.all_ids):
            self.ids.setdefault(prefix_of(id), []).append(id)


@dataclass(frozen=True, slots=True)
class World:
    """``callers`` are no members of ``bob``'s workspace; those who are anybody own ``ada``'s."""

    server: Server
    ada: Tenant
    bob: Tenant
    of_ada: Known
    of_bob: Known
    callers: dict[str, "Caller"]
    viewer: Member

    @property
    def secrets(self) -> set[str]:
        """The ids that only those in bob's workspace may come to know."""
        return self.of_bob.all_ids - self.of_ada.all_ids


Connect = Callable[[Client], AbstractAsyncContextManager[Wire]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls. ``is_known``: whether their token is one that is valid; by sockets, unless it can't be."""

    client: Client
    is_known: bool = True
    connect: Connect = wire


def prefix_of(id: str) -> str:
    return id.partition("_")[0]


def unknown_like(id: str) -> str:
    """An id of the same kind that names nothing."""
    return ids.encode(IdPrefix(prefix_of(id)), new_id())


async def make_world(server: Server) -> World:
    ada, bob = await make_tenant(server, "ada"), await make_tenant(server, "bob")
    removed = await _removed_admin(server, bob, ada)
    viewer = await colleague(server, bob.owner, Role.VIEWER)
    callers = {
        # Whoever else comes to be a principal, a key say, stands here as well.
        "the owner of another workspace": Caller(ada.owner.client),
        "a removed admin": Caller(removed.client),
        "a session that was signed out": Caller(await _signed_out(server, bob), is_known=False, connect=http),
        "nobody": Caller(server.client(), is_known=False),
    }
    return World(server, ada, bob, await learn(ada), await learn(bob), callers, viewer)


async def _removed_admin(server: Server, former: Tenant, present: Tenant) -> Member:
    """Somebody who did something in one tenant, was removed there, and owns the other one too."""
    member = await colleague(server, former.owner, Role.ADMIN)
    agent = former.inputs["createAgent"] | {"idempotencyKey": None}
    await answer(member.client, CREATE_AGENT, **agent)
    query = "query ($id: ID!) { workspace(id: $id) { members { nodes { id user { id } } } } }"
    workspace = (await former.owner.client.execute(query, id=former.workspace_id))["workspace"]
    [membership] = [node for node in workspace["members"]["nodes"] if node["user"]["id"] == member.user_id]
    await answer(former.owner.client, REMOVE_MEMBER, membershipId=membership["id"])
    await add_member(present.workspace_id, member.user_id, Role.OWNER)
    return member


async def _signed_out(server: Server, tenant: Tenant) -> Client:
    """The token of a session of the owner that has ended."""
    input = {"email": tenant.owner.email, "password": PASSWORD}
    session = (await server.client().execute(SIGN_IN, input=input))["signIn"]
    client = server.client(session["accessToken"])
    await client.execute(SIGN_OUT)
    return client


async def learn(tenant: Tenant) -> Known:
    """All that the owner is shown: of every object that an answer names, every field, and every event."""
    known, seen = Known(), set[str]()
    known.add_ids(tenant.run_id)
    known.add_ids(json.dumps([tenant.workspace_id, tenant.owner.user_id, tenant.inputs]))
    async with wire(tenant.owner.client) as sender:
        events = operation("Subscription", "runEvents")
        known.add(await sender.send(Document(events, {"runId": tenant.run_id, "after": 0})))
        while new := sorted(known.all_ids - seen):
            seen.update(new)
            kinds = await sender.send_all([Document(NODE_TYPE, {"id": id}) for id in new])
            nodes = [(id, reply.data["node"]) for id, reply in zip(new, kinds, strict=True)]
            found = [(id, node["__typename"]) for id, node in nodes if node]
            known.type_names |= {prefix_of(id): name for id, name in found}
            for reply in await sender.send_all([Document(node_query(name), {"id": id}) for id, name in found]):
                known.add(reply)
    return known


async def fingerprints(database_url: str) -> dict[str, str]:
    """A hash of all the rows of each table."""
    connection = await open_connection(database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            table: await connection.fetchval(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t")
            for (table,) in tables
        }
    finally:
        await connection.close()

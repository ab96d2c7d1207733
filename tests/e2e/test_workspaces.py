"""Workspaces, their members, and who may see them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from core import ids
from core.ids import IdPrefix, new_id
from core.permissions import Role
from models.database import transaction
from models.users import User
from models.workspaces import Membership
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.servers.app import Server

NOBODY = UUID("01890000-0000-7000-8000-000000000000")
CREATE = """
mutation ($input: CreateWorkspaceInput!) {
  createWorkspace(input: $input) {
    __typename
    ... on CreateWorkspacePayload { workspace { id name slug members { totalCount nodes { role user { id } } } } }
    ... on Error { code message path }
  }
}
"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Workspace { name } ... on User { name } } }"
WORKSPACE = "query ($id: ID) { workspace(id: $id) { id name } }"
MEMBERS = """
query ($id: ID!, $first: Int, $after: String) {
  workspace(id: $id) {
    members(first: $first, after: $after) {
      totalCount
      nodes { id }
      edges { cursor node { id } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""


async def create(member: Member, **input: Any) -> Json:
    answer: Json = (await member.client.execute(CREATE, input=input))["createWorkspace"]
    return answer


async def add_members(workspace_id: str, count: int) -> list[str]:
    """Other members, written past the API; their membership ids, oldest first."""
    key = ids.decode(IdPrefix.WORKSPACE, workspace_id)
    added = []
    for _ in range(count):
        user_id = new_id()
        async with transaction([key], user_id=user_id):
            await User.create(id=user_id, email=f"{user_id}@example.com", name="Bo", password_hash="-")
            membership = await Membership.create(workspace_id=key, user_id=user_id, role=Role.VIEWER)
        added.append(ids.encode(IdPrefix.MEMBERSHIP, membership.id))
    return added


async def test_whoever_makes_a_workspace_owns_it(server: Server) -> None:
    member = await sign_up(server)
    slug = f"my-{new_id().hex}"
    workspace = (await create(member, name=" Research ", slug=slug))["workspace"]
    assert (workspace["name"], workspace["slug"]) == ("Research", slug)
    assert workspace["members"] == {"totalCount": 1, "nodes": [{"role": "OWNER", "user": {"id": member.user_id}}]}
    found = await member.client.execute(WORKSPACE, id=workspace["id"])
    assert found["workspace"] == {"id": workspace["id"], "name": "Research"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Ünïcode & Co.", "unicode-co"), ("日本", "workspace"), ("x", "x-workspace"), ("a" * 200, "a" * 50)],
)
async def test_without_a_slug_one_is_made_from_the_name(server: Server, name: str, slug: str) -> None:
    made = (await create(await sign_up(server), name=name))["workspace"]["slug"]
    assert made.startswith(slug)
    assert 3 <= len(made) <= 63


async def test_a_slug_that_is_taken_is_a_conflict(server: Server) -> None:
    slug = f"taken-{new_id().hex}"
    await create(await sign_up(server), name="Mine", slug=slug)
    answer = await create(await sign_up(server), name="Other", slug=slug)
    assert (answer["__typename"], answer["code"], answer["path"]) == ("ConflictError", "CONFLICT", ["input", "slug"])


@pytest.mark.parametrize(
    ("input", "path"),
    [
        ({"name": ""}, ["input", "name"]),
        ({"name": "a\x00b"}, ["input", "name"]),
        ({"name": "Lab", "slug": "ab"}, ["input", "slug"]),
        ({"name": "Lab", "slug": "a" * 64}, ["input", "slug"]),
        ({"name": "Lab", "slug": "Upper"}, ["input", "slug"]),
        ({"name": "Lab", "slug": "nul\x00"}, ["input", "slug"]),
        ({"name": "Lab", "slug": "newline\n"}, ["input", "slug"]),
        ({"name": "Lab", "idempotencyKey": ""}, ["input", "idempotencyKey"]),
        ({"name": "Lab", "idempotencyKey": "k\x00"}, ["input", "idempotencyKey"]),
        ({"name": "Lab", "idempotencyKey": "k" * 256}, ["input", "idempotencyKey"]),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_what_a_workspace_cannot_have_is_a_validation_error(
    server: Server, input: dict[str, str], path: list[str]
) -> None:
    answer = await create(await sign_up(server), **input)
    assert (answer["__typename"], answer["path"]) == ("ValidationError", path)


async def test_the_same_key_makes_one_workspace_however_often_it_is_sent(server: Server) -> None:
    member = await sign_up(server)
    answers = await asyncio.gather(*(create(member, name="Once", idempotencyKey="key") for _ in range(50)))
    assert len({answer["workspace"]["id"] for answer in answers}) == 1
    assert (await create(member, name="Once", idempotencyKey="key"))["workspace"] == answers[0]["workspace"]


async def test_the_same_key_for_something_else_is_a_conflict(server: Server) -> None:
    member = await sign_up(server)
    await create(member, name="Once", idempotencyKey="key")
    answer = await create(member, name="Twice", idempotencyKey="key")
    assert (answer["code"], answer["path"]) == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])
    assert (await create(await sign_up(server), name="Twice", idempotencyKey="key"))["workspace"]["name"] == "Twice"


async def test_a_workspace_is_not_made_for_the_anonymous(server: Server) -> None:
    answer = await server.client().send(CREATE, input={"name": "Lab"})
    assert (answer.body["data"], answer.codes) == (None, ["UNAUTHENTICATED"])


async def test_members_are_paged_oldest_first(server: Server) -> None:
    member = await sign_up(server)
    added = await add_members(member.workspace_id, 4)
    first = (await member.client.execute(MEMBERS, id=member.workspace_id, first=2))["workspace"]["members"]
    assert first["totalCount"] == 5
    assert [edge["node"] for edge in first["edges"]] == first["nodes"]
    assert first["nodes"][1]["id"] == added[0]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    rest = await member.client.execute(MEMBERS, id=member.workspace_id, first=100, after=first["pageInfo"]["endCursor"])
    rest = rest["workspace"]["members"]
    assert [node["id"] for node in rest["nodes"]] == added[1:]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_an_explicit_null_for_first_means_the_default(server: Server) -> None:
    member = await sign_up(server)
    await add_members(member.workspace_id, 21)
    page = (await member.client.execute(MEMBERS, id=member.workspace_id, first=None))["workspace"]["members"]
    assert len(page["nodes"]) == 20


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"first": 0}, ["first"]),
        ({"first": -1}, ["first"]),
        ({"first": 101}, ["first"]),
        ({"first": 1000}, ["first"]),
        ({"after": "garbage"}, ["after"]),
        ({"after": ""}, ["after"]),
        ({"after": "é"}, ["after"]),
        ({"after": "\x00"}, ["after"]),
        ({"after": "AAAA"}, ["after"]),
        ({"after": "YSxi"}, ["after"]),
    ],
    ids=str,
)
async def test_a_page_that_cannot_be_is_a_validation_error(
    server: Server, arguments: dict[str, Any], path: list[str]
) -> None:
    member = await sign_up(server)
    answer = await member.client.send(MEMBERS, id=member.workspace_id, **arguments)
    [error] = answer.errors
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("VALIDATION_FAILED", path)


async def test_node_finds_what_the_viewer_may_see(server: Server) -> None:
    member = await sign_up(server)
    membership = (await add_members(member.workspace_id, 1))[0]
    for id, name in (
        (member.workspace_id, "Workspace"),
        (member.user_id, "User"),
        (membership, "Membership"),
    ):
        node = (await member.client.execute(NODE, id=id))["node"]
        assert (node["__typename"], node["id"]) == (name, id)


async def test_nodes_come_in_the_order_asked_for_with_null_for_the_unseen(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    asked = [member.user_id, "garbage", other.user_id, member.workspace_id, member.user_id]
    data = await member.client.execute("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=asked)
    assert data["nodes"] == [{"id": member.user_id}, None, None, {"id": member.workspace_id}, {"id": member.user_id}]
    answer = await member.client.send("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=asked * 21)
    assert answer.errors[0]["extensions"]["path"] == ["ids"]


async def test_another_tenants_objects_are_not_there(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    membership = (await add_members(other.workspace_id, 1))[0]
    for id in (other.workspace_id, other.user_id, membership):
        assert (await member.client.execute(NODE, id=id))["node"] is None
    assert (await member.client.execute(WORKSPACE, id=other.workspace_id))["workspace"] is None


@pytest.mark.parametrize(
    "id",
    [
        "",
        "garbage",
        "\x00",
        "ws_",
        "ws_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        ids.encode(IdPrefix.WORKSPACE, NOBODY),
        ids.encode(IdPrefix.BUDGET, NOBODY),
        ids.encode(IdPrefix.USER, NOBODY),
        "x" * 100_000,
    ],
    ids=lambda id: id[:30],
)
async def test_an_id_that_names_nothing_finds_nothing(server: Server, id: str) -> None:
    member = await sign_up(server)
    assert (await member.client.execute(NODE, id=id))["node"] is None
    assert (await member.client.execute(WORKSPACE, id=id))["workspace"] is None


async def test_an_id_of_another_type_is_no_workspace(server: Server) -> None:
    member = await sign_up(server)
    assert (await member.client.execute(WORKSPACE, id=member.user_id))["workspace"] is None
    assert (await member.client.execute(WORKSPACE, id=None))["workspace"] is None


async def test_look_ups_need_somebody_who_asks(server: Server) -> None:
    member = await sign_up(server)
    for query in (NODE, WORKSPACE):
        answer = await server.client().send(query, id=member.workspace_id)
        assert answer.codes == ["UNAUTHENTICATED"]


async def test_of_another_user_one_sees_shared_memberships_only(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    key = ids.decode(IdPrefix.WORKSPACE, member.workspace_id)
    async with transaction([key]):
        await Membership.create(workspace_id=key, user_id=ids.decode(IdPrefix.USER, other.user_id), role=Role.EDITOR)
    query = "query ($id: ID!) { node(id: $id) { ... on User { memberships { role workspace { id } } } } }"
    seen = (await member.client.execute(query, id=other.user_id))["node"]["memberships"]
    assert seen == [{"role": "EDITOR", "workspace": {"id": member.workspace_id}}]
    own = (await other.client.execute(query, id=other.user_id))["node"]["memberships"]
    assert [membership["role"] for membership in own] == ["OWNER", "EDITOR"]

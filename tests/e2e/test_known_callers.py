"""People who call again: who they are is found out with what they ask for, and is as sure as if it were looked up."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from core import ids
from core.ids import IdPrefix
from core.permissions import Role
from models.database import transaction
from models.workspaces import Membership
from tests.accounts import SIGN_OUT, Member, sign_up, with_new_workspace
from tests.client import Answer, Json
from tests.e2e.colleagues import add_member
from tests.operations import create_agent, start_run
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
# By statements alone, in transactions, by the one and the other, by a plan and by graphql-core, and what fails.
QUERIES = {
    "rows": "query ($agent: ID!) { agent(id: $agent) { name runs(first: 3) { nodes { id status } } } }",
    "no rows": "query ($nobody: ID!) { agent(id: $nobody) { name } }",
    "an empty page": "query ($agent: ID!) { agent(id: $agent) { runs(filter: {status: [FAILED]}) { nodes { id } } } }",
    "a transaction": "query ($space: ID!) { workspace(id: $space) { providerCredentials { id } } }",
    "a count": "query ($agent: ID!) { agent(id: $agent) { runs { totalCount } } }",
    "rights": "{ viewer { id memberships { role workspace { name } } } }",
    "several": "query ($agent: ID!, $space: ID!){ agent(id: $agent) { id } workspace(id: $space) { id } viewer { id }}",
    "graphql-core": "query ($agent: ID!) { node(id: $agent) { id ... on Agent { name } } }",
    "what only some may see": "query ($space: ID!) { workspace(id: $space) { apiKeys { nodes { id } } } }",
    "models": "query ($space: ID!) { models(workspaceId: $space) { name } }",
    "an error": "query ($agent: ID!) { agent(id: $agent) { runs(first: 0) { nodes { id } } } }",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Somebody who is at home in one workspace, and in another one a member who may do everything."""

    member: Member
    variables: Json
    workspace_id: str

    async def ask(self, query: str) -> Answer:
        return await self.member.client.send(query, **self.variables)

    async def ask_anew(self, query: str) -> Answer:
        """As a document that the server has not seen, whose callers are looked up first."""
        return await self.ask(f"# {uuid4()}\n{query}")


async def leave(scene: Scene) -> None:
    key = ids.decode(IdPrefix.WORKSPACE, scene.workspace_id)
    async with transaction([key]):
        await Membership.filter(user_id=ids.decode(IdPrefix.USER, scene.member.user_id), workspace_id=key).delete()


async def be_viewer(scene: Scene) -> None:
    await leave(scene)
    await add_member(scene.workspace_id, scene.member.user_id, Role.VIEWER)


async def sign_out(scene: Scene) -> None:
    await scene.member.client.execute(SIGN_OUT)


CHANGES: list[Callable[[Scene], Awaitable[None]]] = [leave, be_viewer, sign_out]


@pytest.fixture(scope="module")
async def owner(server: Server) -> Member:
    return await sign_up(server)


async def scene_of(server: Server, owner: Member) -> Scene:
    """The owner stays at home, and the member's rights change."""
    there, member = await with_new_workspace(owner), await sign_up(server)
    agent = await create_agent(there, MODEL)
    await start_run(there, agent)
    await add_member(there.workspace_id, member.user_id, Role.OWNER)
    variables = {"agent": agent["id"], "space": there.workspace_id, "nobody": ids.encode(IdPrefix.AGENT, uuid4())}
    return Scene(member, variables, there.workspace_id)


def told(answer: Answer) -> Json:
    """Without what differs from answer to answer."""
    errors = [(error["message"], error.get("path"), error["extensions"]["code"]) for error in answer.errors]
    return {"data": answer.body.get("data"), "errors": errors, "status": answer.status}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_what_changes_a_callers_rights_shows_in_the_next_answer(
    server: Server, owner: Member, change: Callable[[Scene], Awaitable[None]]
) -> None:
    scene = await scene_of(server, owner)
    before = {}
    for name, query in QUERIES.items():
        answers = [told(await scene.ask(query)) for _ in range(3)]
        before[name] = told(await scene.ask_anew(query))
        assert answers == [before[name]] * 3
    known = server.app.state.runtime.callers._known
    stale = dict(known)
    await change(scene)
    changed = set()
    for name, query in QUERIES.items():
        # Each is to be the first who finds it out.
        known.update(stale)
        now = told(await scene.ask(query))
        assert now == told(await scene.ask_anew(query)), name
        changed |= {name} if now != before[name] else set()
    assert changed >= {"rights", "what only some may see"} | (set() if change is be_viewer else {"rows", "a count"})


async def statements(caplog: pytest.LogCaptureFixture, scene: Scene, query: str) -> int:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        await scene.ask(query)
    return len(caplog.records)


async def test_who_is_known_is_found_with_what_they_ask_for(
    server: Server, owner: Member, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await scene_of(server, owner)
    for name, expected in {"rows": 2, "no rows": 2, "models": 2, "several": 3}.items():
        await scene.ask(QUERIES[name])
        assert await statements(caplog, scene, QUERIES[name]) == expected, name
    # The agent and its runs, and who asks.
    assert await statements(caplog, scene, f"# {uuid4()}\n{QUERIES['rows']}") == 3

"""Agents and their versions, as clients see them."""

from typing import Any

import pytest

from tests.accounts import Member, sign_up
from tests.client import Json
from tests.operations import (
    AGENT,
    ARCHIVE_AGENT,
    CREATE_AGENT,
    PUBLISH_VERSION,
    UPDATE_AGENT,
    VERSION,
    answer,
    create_agent,
    new_key,
)
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
CONFIG: Json = {
    "model": MODEL,
    "instructions": "Greet in verse.",
    "temperature": 0.5,
    "maxOutputTokens": 100,
    "maxSteps": 3,
    "outputSchema": {"type": "object", "properties": {"greeting": {"type": "string"}}},
}
GET_AGENT = f"query ($id: ID!) {{ agent(id: $id) {{ {AGENT} }} }}"
VERSIONS = f"""query ($id: ID!, $first: Int, $after: String) {{
  agent(id: $id) {{
    versions(first: $first, after: $after) {{
      totalCount nodes {{ {VERSION} }} edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""
AGENTS = """query ($id: ID!, $first: Int, $after: String) {
  workspace(id: $id) {
    agents(first: $first, after: $after) { totalCount nodes { id } pageInfo { hasNextPage endCursor } }
  }
}"""


@pytest.fixture(scope="module")
async def user(server: Server) -> Member:
    return await sign_up(server)


async def update(member: Member, agent: Json, **input: Any) -> Json:
    return await answer(member.client, UPDATE_AGENT, agentId=agent["id"], **input)


async def get_agent(member: Member, agent: Json) -> Json:
    found: Json = (await member.client.execute(GET_AGENT, id=agent["id"]))["agent"]
    return found


async def agents_of(member: Member) -> list[str]:
    page = (await member.client.execute(AGENTS, id=member.workspace_id))["workspace"]["agents"]
    return [agent["id"] for agent in page["nodes"]]


async def test_a_new_agent_has_a_first_version_that_is_live(ada: Member) -> None:
    result = await answer(
        ada.client,
        CREATE_AGENT,
        workspaceId=ada.workspace_id,
        name=" Poet ",
        description="Greets in verse.",
        config=CONFIG,
    )
    agent = result["agent"]
    assert result["__typename"] == "CreateAgentPayload"
    assert (agent["name"], agent["description"], agent["archivedAt"]) == ("Poet", "Greets in verse.", None)
    version = agent["liveVersion"]
    assert {name: version[name] for name in CONFIG} == CONFIG
    assert (version["number"], version["fallbackModels"], version["tools"]) == (1, [], [])
    assert await get_agent(ada, agent) == agent


async def test_what_a_configuration_leaves_out_has_the_default(ada: Member) -> None:
    version = (await create_agent(ada, MODEL))["liveVersion"]
    expected: Json = {
        "model": MODEL,
        "fallbackModels": [],
        "instructions": "",
        "temperature": None,
        "maxOutputTokens": None,
        "maxSteps": 20,
        "tools": [],
        "outputSchema": None,
    }
    assert {name: version[name] for name in expected} == expected


async def test_a_new_configuration_is_a_new_version_made_of_the_whole_of_it(ada: Member) -> None:
    agent = await create_agent(ada, **CONFIG)
    result = await update(ada, agent, config={"model": MODEL, "maxSteps": 5})
    assert result["agent"]["liveVersion"] == result["version"]
    assert (result["version"]["number"], result["version"]["maxSteps"]) == (2, 5)
    assert (result["version"]["instructions"], result["version"]["outputSchema"]) == ("", None)
    assert result["agent"]["updatedAt"] > agent["updatedAt"]
    node = await ada.client.execute(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on AgentVersion {{ {VERSION} }} }} }}", id=agent["liveVersion"]["id"]
    )
    assert node["node"] == agent["liveVersion"], "the first version is as it was"


async def test_what_an_update_leaves_out_stays_and_null_takes_the_description_away(ada: Member) -> None:
    agent = await create_agent(ada, MODEL)
    described = await update(ada, agent, description="About")
    assert (described["agent"]["name"], described["agent"]["description"]) == ("Greeter", "About")
    assert (described["version"], described["agent"]["liveVersion"]) == (None, agent["liveVersion"])
    renamed = await update(ada, agent, name="New", config=None)
    assert (renamed["agent"]["name"], renamed["agent"]["description"], renamed["version"]) == ("New", "About", None)
    cleared = await update(ada, agent, description=None)
    assert (cleared["agent"]["name"], cleared["agent"]["description"]) == ("New", None)
    assert (await get_agent(ada, agent)) == cleared["agent"]


async def test_an_update_of_nothing_changes_nothing(ada: Member) -> None:
    agent = await create_agent(ada, MODEL)
    for same in ({}, {"name": agent["name"]}, {"description": agent["description"]}):
        assert (await update(ada, agent, **same))["agent"] == agent
    query = """query ($id: ID!) { workspace(id: $id) { auditEvents { nodes { action } } } }"""
    events = (await ada.client.execute(query, id=ada.workspace_id))["workspace"]["auditEvents"]["nodes"]
    assert [event["action"] for event in events] == ["agent.created", "workspace.created"]


async def test_an_agent_keeps_a_name(ada: Member) -> None:
    agent = await create_agent(ada, MODEL)
    for name in (None, "", " ", "n" * 201, "nul\x00"):
        result = await update(ada, agent, name=name)
        assert (result["__typename"], result["path"]) == ("ValidationError", ["input", "name"])


async def test_an_unpublished_version_is_there_and_can_go_live_and_the_old_one_again(ada: Member) -> None:
    agent = await create_agent(ada, MODEL)
    result = await update(ada, agent, config={"model": MODEL, "instructions": "Later"}, publish=False)
    assert result["version"]["number"] == 2
    assert result["agent"]["liveVersion"] == agent["liveVersion"]
    for version in (result["version"], agent["liveVersion"]):
        published = await answer(ada.client, PUBLISH_VERSION, agentVersionId=version["id"])
        assert published["agent"]["liveVersion"] == version
        assert (await get_agent(ada, agent))["liveVersion"] == version


async def test_versions_are_paged_newest_first(ada: Member) -> None:
    agent = await create_agent(ada, MODEL)
    for number in range(2, 6):
        await update(ada, agent, config={"model": MODEL, "instructions": f"{number}"})
    first = (await ada.client.execute(VERSIONS, id=agent["id"], first=3))["agent"]["versions"]
    assert first["totalCount"] == 5
    assert [version["number"] for version in first["nodes"]] == [5, 4, 3]
    assert [edge["node"]["id"] for edge in first["edges"]] == [version["id"] for version in first["nodes"]]
    assert first["pageInfo"] == {"hasNextPage": True, "endCursor": first["edges"][-1]["cursor"]}
    rest = await ada.client.execute(VERSIONS, id=agent["id"], first=3, after=first["pageInfo"]["endCursor"])
    assert [version["number"] for version in rest["agent"]["versions"]["nodes"]] == [2, 1]
    assert rest["agent"]["versions"]["pageInfo"]["hasNextPage"] is False


async def test_an_archived_agent_is_out_of_use_and_still_to_be_seen(ada: Member) -> None:
    kept, archived = await create_agent(ada, MODEL), await create_agent(ada, MODEL)
    assert await agents_of(ada) == [archived["id"], kept["id"]]
    result = await answer(ada.client, ARCHIVE_AGENT, agentId=archived["id"])
    assert result["agent"]["archivedAt"] is not None
    assert await agents_of(ada) == [kept["id"]]
    assert await get_agent(ada, archived) == result["agent"]
    assert await answer(ada.client, ARCHIVE_AGENT, agentId=archived["id"]) == result, "once more changes nothing"
    refused = await update(ada, archived, name="New")
    assert (refused["__typename"], refused["path"]) == ("ConflictError", ["input", "agentId"])
    refused = await answer(ada.client, PUBLISH_VERSION, agentVersionId=archived["liveVersion"]["id"])
    assert (refused["__typename"], refused["path"]) == ("ConflictError", ["input", "agentVersionId"])


async def test_agents_are_paged_newest_first_without_archived_ones(ada: Member) -> None:
    made = [(await create_agent(ada, MODEL))["id"] for _ in range(5)]
    await answer(ada.client, ARCHIVE_AGENT, agentId=made[2])
    del made[2]
    first = (await ada.client.execute(AGENTS, id=ada.workspace_id, first=3))["workspace"]["agents"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (4, True)
    after = first["pageInfo"]["endCursor"]
    rest = (await ada.client.execute(AGENTS, id=ada.workspace_id, first=3, after=after))["workspace"]["agents"]
    assert [node["id"] for node in first["nodes"] + rest["nodes"]] == made[::-1]


async def test_an_idempotency_key_makes_one_agent(ada: Member) -> None:
    input = {"workspaceId": ada.workspace_id, "name": "Once", "config": CONFIG, "idempotencyKey": new_key()}
    first = await answer(ada.client, CREATE_AGENT, **input)
    assert await answer(ada.client, CREATE_AGENT, **input) == first
    other = await answer(ada.client, CREATE_AGENT, **input | {"name": "Twice"})
    assert (other["code"], other["path"]) == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])
    assert await agents_of(ada) == [first["agent"]["id"]]

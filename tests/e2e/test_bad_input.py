"""Input that no client should send: each is refused with its place, nothing fails inside, and nothing is written."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from models.database import TABLES, open_connection
from tests.accounts import Member, sign_up
from tests.client import Answer, Json
from tests.operations import (
    ARCHIVE_AGENT,
    CANCEL_RUN,
    CREATE_AGENT,
    PUBLISH_VERSION,
    START_RUN,
    UPDATE_AGENT,
    answer,
    create_agent,
    start_run,
    unknown_id,
)
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
KILOBYTES_256 = 256 * 1024
CONFIG_FAULTS: list[tuple[str, Any, str]] = [
    ("model", "", "model"),
    ("model", "nonsense", "model"),
    ("model", "nobody/knows", "model"),
    ("model", "local/other", "model"),
    ("model", "local/smollm2-135m\x00", "model"),
    ("model", "m" * 100_000, "model"),
    ("fallbackModels", ["nobody/knows"], "fallbackModels.0"),
    ("fallbackModels", [MODEL], "fallbackModels.0"),
    ("fallbackModels", ["x"] * 6, "fallbackModels"),
    ("instructions", "nul\x00", "instructions"),
    ("instructions", "i" * 100_001, "instructions"),
    ("temperature", -0.1, "temperature"),
    ("temperature", 2.1, "temperature"),
    ("maxOutputTokens", 0, "maxOutputTokens"),
    ("maxOutputTokens", 2**31 - 1, "maxOutputTokens"),
    ("maxSteps", 0, "maxSteps"),
    ("maxSteps", 101, "maxSteps"),
    ("tools", [{"name": "nothing"}], "tools.0.name"),
    ("outputSchema", "text", "outputSchema"),
    ("outputSchema", {"type": "nonsense"}, "outputSchema"),
    ("outputSchema", {"$ref": "http://127.0.0.1:1/schema"}, "outputSchema"),
]
TEXT_FAULTS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", " \n"),
    ("name", "n" * 201),
    ("name", "nul\x00"),
    ("description", "nul\x00"),
    ("description", "d" * 2001),
]
KEY_FAULTS = [("idempotencyKey", key) for key in ("", "k" * 256, "nul\x00")]
RUN_FAULTS: list[tuple[str, Any, str]] = [
    ("message", "", "message"),
    ("message", " \n\t", "message"),
    ("message", "nul\x00", "message"),
    ("message", "m" * (KILOBYTES_256 + 1), "message"),
    ("message", "é" * (KILOBYTES_256 // 2 + 1), "message"),
    ("metadata", "nul\x00", "metadata"),
    ("metadata", {"a": [{"b": "\x00"}]}, "metadata.a.0.b"),
    ("metadata", {"nul\x00": 1}, "metadata"),
    ("metadata", "m" * 65_536, "metadata"),
    *((field, value, field) for field, value in KEY_FAULTS),
]
DEEP: list[Any] = []
for _ in range(150):
    DEEP = [DEEP]


@dataclass(frozen=True, slots=True)
class Scene:
    """Somebody with an agent and a run that stays queued."""

    member: Member
    agent: Json
    run: Json


@pytest.fixture(scope="module")
async def scene(server: Server) -> Scene:
    member = await sign_up(server)
    agent = await create_agent(member, MODEL)
    return Scene(member, agent, await start_run(member, agent))


@pytest.fixture(autouse=True)
async def _nothing_fails_inside_and_nothing_is_written(scene: Scene, database_url: str) -> AsyncIterator[None]:
    before = await count_rows(database_url)
    with structlog.testing.capture_logs() as logs:
        yield
    assert [line for line in logs if line["event"] == "internal_error"] == []
    assert await count_rows(database_url) == before


async def count_rows(database_url: str) -> dict[str, int]:
    """Of each table."""
    connection = await open_connection(database_url)
    tables = [module.removeprefix("models.") for module in TABLES] + ["messages", "agent_versions"]
    counts = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    await connection.close()
    return counts


def refused(result: Json) -> tuple[str, str, str]:
    """Its type, code and path."""
    return result["__typename"], result["code"], ".".join(result["path"])


def top_level(result: Answer) -> tuple[str, list[str] | None]:
    """Code and path of the only error of an operation."""
    [error] = result.errors
    return error["extensions"]["code"], error["extensions"].get("path")


def short(value: object) -> str:
    return ascii(value)[:30]


@pytest.mark.parametrize(("field", "value", "path"), CONFIG_FAULTS, ids=short)
@pytest.mark.parametrize("mutation", ["create", "update"])
async def test_a_configuration(scene: Scene, mutation: str, field: str, value: Any, path: str) -> None:
    config = {"model": MODEL} | {field: value}
    if mutation == "create":
        workspace_id = scene.member.workspace_id
        result = await answer(scene.member.client, CREATE_AGENT, workspaceId=workspace_id, name="A", config=config)
    else:
        result = await answer(scene.member.client, UPDATE_AGENT, agentId=scene.agent["id"], config=config)
    assert refused(result) == ("ValidationError", "VALIDATION_FAILED", f"input.config.{path}")


@pytest.mark.parametrize(("field", "value"), [*TEXT_FAULTS, *KEY_FAULTS], ids=short)
async def test_a_new_agent(scene: Scene, field: str, value: Any) -> None:
    input = {"workspaceId": scene.member.workspace_id, "name": "A", "config": {"model": MODEL}} | {field: value}
    result = await answer(scene.member.client, CREATE_AGENT, **input)
    assert refused(result) == ("ValidationError", "VALIDATION_FAILED", f"input.{field}")


@pytest.mark.parametrize(("field", "value"), TEXT_FAULTS, ids=short)
async def test_a_changed_agent(scene: Scene, field: str, value: Any) -> None:
    config = {"model": MODEL}
    result = await answer(scene.member.client, UPDATE_AGENT, agentId=scene.agent["id"], config=config, **{field: value})
    assert refused(result) == ("ValidationError", "VALIDATION_FAILED", f"input.{field}")


@pytest.mark.parametrize(("field", "value", "path"), [*RUN_FAULTS, ("metadata", DEEP, "metadata")], ids=short)
async def test_a_new_run(scene: Scene, field: str, value: Any, path: str) -> None:
    input = {"agentId": scene.agent["id"], "message": "Hi", "metadata": {"a": 1}} | {field: value}
    result = await answer(scene.member.client, START_RUN, **input)
    assert refused(result) == ("ValidationError", "VALIDATION_FAILED", f"input.{path}")


WRONG_IDS: dict[str, Callable[[str], str]] = {
    "unknown": unknown_id,
    "another type": lambda id: "user_01jdq2p0a0e5d8d3m4n5p6q7r8",
    "upper case": str.upper,
    "cut": lambda id: id[:-1],
    "too long": lambda id: id * 1000,
    "empty": lambda id: "",
    "nul": lambda id: f"{id}\x00",
    "uuid": lambda id: "01890000-0000-7000-8000-000000000000",
    "overflow": lambda id: f"{id.partition('_')[0]}_{'z' * 26}",
}


@pytest.mark.parametrize("wrong", WRONG_IDS.values(), ids=WRONG_IDS)
async def test_an_id(scene: Scene, wrong: Callable[[str], str]) -> None:
    config = {"model": MODEL}
    version_id = scene.agent["liveVersion"]["id"]
    run_input = {"agentId": scene.agent["id"], "message": "Hi"}
    new_agent = {"workspaceId": scene.member.workspace_id, "name": "A"}
    attempts: list[tuple[str, Json, list[str]]] = [
        (
            CREATE_AGENT,
            {**new_agent, "workspaceId": wrong(scene.member.workspace_id), "config": config},
            ["workspaceId"],
        ),
        (CREATE_AGENT, {**new_agent, "config": config | {"memoryBankId": wrong("bank_x")}}, ["config", "memoryBankId"]),
        (UPDATE_AGENT, {"agentId": wrong(scene.agent["id"]), "config": config}, ["agentId"]),
        (PUBLISH_VERSION, {"agentVersionId": wrong(version_id)}, ["agentVersionId"]),
        (ARCHIVE_AGENT, {"agentId": wrong(scene.agent["id"])}, ["agentId"]),
        (START_RUN, run_input | {"agentId": wrong(scene.agent["id"])}, ["agentId"]),
        (START_RUN, run_input | {"agentVersionId": wrong(version_id)}, ["agentVersionId"]),
        (START_RUN, run_input | {"threadId": wrong(scene.run["thread"]["id"])}, ["threadId"]),
        (CANCEL_RUN, {"runId": wrong(scene.run["id"])}, ["runId"]),
    ]
    for mutation, input, path in attempts:
        result = await answer(scene.member.client, mutation, **input)
        assert refused(result) == ("NotFoundError", "NOT_FOUND", ".".join(["input", *path]))


@pytest.mark.parametrize("wrong", WRONG_IDS.values(), ids=WRONG_IDS)
async def test_an_id_to_look_up(scene: Scene, wrong: Callable[[str], str]) -> None:
    ids = {
        "workspace": scene.member.workspace_id,
        "agent": scene.agent["id"],
        "thread": scene.run["thread"]["id"],
        "run": scene.run["id"],
        "node": scene.run["id"],
    }
    for field, id in ids.items():
        data = await scene.member.client.execute(f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}", id=wrong(id))
        assert data == {field: None}


async def test_a_version_of_another_agent(scene: Scene) -> None:
    input = {"agentId": scene.agent["id"], "message": "Hi", "agentVersionId": unknown_id("agentver_")}
    assert refused(await answer(scene.member.client, START_RUN, **input))[2] == "input.agentVersionId"


CONNECTIONS = {
    "workspace": ("members", "agents", "threads", "runs"),
    "agent": ("versions", "runs"),
    "thread": ("messages", "runs"),
    "run": ("steps",),
}


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": 0},
        {"first": -1},
        {"first": 101},
        {"first": 1000},
        {"after": ""},
        {"after": "garbage"},
        {"after": "\x00"},
        {"after": "é"},
        {"after": "YWFhYQ=="},
        {"after": "MDE4OTAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwLDEsMQ=="},
        {"after": "A" * 100_000},
    ],
    ids=short,
)
async def test_a_page(scene: Scene, arguments: Json) -> None:
    ids = {
        "workspace": scene.member.workspace_id,
        "agent": scene.agent["id"],
        "thread": scene.run["thread"]["id"],
        "run": scene.run["id"],
    }
    for field, connections in CONNECTIONS.items():
        for connection in connections:
            query = f"""query ($id: ID!, $first: Int, $after: String) {{
              {field}(id: $id) {{ {connection}(first: $first, after: $after) {{ nodes {{ id }} }} }}
            }}"""
            result = await scene.member.client.send(query, id=ids[field], **arguments)
            assert top_level(result) == ("VALIDATION_FAILED", list(arguments)), (field, connection)


@pytest.mark.parametrize("id", ["", "garbage", "user_01jdq2p0a0e5d8d3m4n5p6q7r8", "\x00"], ids=short)
@pytest.mark.parametrize("name", ["agentId", "workflowId"])
async def test_an_id_in_a_filter(scene: Scene, name: str, id: str) -> None:
    query = """query ($id: ID!, $filter: RunFilter) {
      workspace(id: $id) { runs(filter: $filter) { nodes { id } } }
    }"""
    result = await scene.member.client.send(query, id=scene.member.workspace_id, filter={name: id})
    assert top_level(result) == ("VALIDATION_FAILED", ["filter", name])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agentId", None),
        ("agentId", 1.5),
        ("message", None),
        ("message", 5),
        ("ifBusy", "NONSENSE"),
        ("ifBusy", None),
        ("nothing", 1),
    ],
)
async def test_what_the_schema_itself_refuses(scene: Scene, field: str, value: Any) -> None:
    input = {"agentId": scene.agent["id"], "message": "Hi"} | {field: value}
    result = await scene.member.client.send(START_RUN, input=input)
    assert set(result.codes) == {"VALIDATION_FAILED"}
    assert "data" not in result.body or result.body["data"] is None


@pytest.mark.parametrize(
    "literal",
    ["9" * 400, "9" * 5000, "1e999", "-1e999", '"\\u0000"', "[" * 70 + "]" * 70],
    ids=short,
)
async def test_metadata_written_out_in_the_document(scene: Scene, literal: str) -> None:
    input = f'{{agentId: "{scene.agent["id"]}", message: "Hi", metadata: {literal}}}'
    result = await scene.member.client.send(
        f"mutation {{ startRun(input: {input}) {{ __typename ... on Error {{ code path }} }} }}"
    )
    if result.errors:
        assert set(result.codes) == {"VALIDATION_FAILED"}
    else:
        assert refused(result.data["startRun"]) == ("ValidationError", "VALIDATION_FAILED", "input.metadata")


@pytest.mark.parametrize("depth", [100, 5_000])
@pytest.mark.parametrize("shape", ["selections", "values", "variables"])
async def test_nesting_without_end(scene: Scene, shape: str, depth: int) -> None:
    variables = "null"
    match shape:
        case "selections":
            query = "query { run" + "{ thread" * depth + "{ id }" + "}" * depth + "}"
        case "values":
            query = "{ nodes(ids: " + "[" * depth + "]" * depth + ") { id } }"
        case _:
            query, variables = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", "[" * depth + "]" * depth
    body = json.dumps({"query": query})[:-1] + f', "variables": {{"ids": {variables}}}}}'
    result = await scene.member.client.post(body.encode())
    too_deep = shape == "selections" or (shape == "values" and depth > 100)
    assert set(result.codes) == {"COST_EXCEEDED" if too_deep else "VALIDATION_FAILED"}

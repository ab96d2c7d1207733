"""How many SQL statements an operation takes: as many for a page of twenty as for a page of two."""

import logging
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core import ids
from core.ids import IdPrefix, new_id
from models.database import transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepKind
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.operations import RUN, create_agent, start_run
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
# One begins it, with its scope for row-level security, and one ends it.
STATEMENTS_PER_TRANSACTION = 3
RUN_PARTS = f"{RUN} agentVersion {{ fallbackModels }} thread {{ messages {{ nodes {{ text run {{ id lastSeq }} }} }} }}"
OPERATIONS = {
    "runs": f"query ($id: ID!) {{ workspace(id: $id) {{ runs {{ totalCount nodes {{ {RUN_PARTS} }} }} }} }}",
    "threads": f"""query ($id: ID!) {{
      workspace(id: $id) {{
        threads {{
          nodes {{
            title runs(first: 2) {{ totalCount nodes {{ {RUN} }} }}
            newest: messages(last: 2) {{ nodes {{ text run {{ usage {{ llmCalls }} }} }} }}
            oldest: messages(first: 1) {{ nodes {{ text }} }}
          }}
        }}
      }}
    }}""",
    "agents": """query ($id: ID!) {
      workspace(id: $id) {
        agents {
          nodes {
            liveVersion { number } versions { totalCount nodes { number } }
            runs(first: 3, filter: {status: [QUEUED]}) {
              totalCount nodes { lastSeq usage { llmCalls } steps { totalCount nodes { name } } }
            }
          }
        }
      }
    }""",
}


async def populate(member: Member, count: int) -> list[str]:
    """As many agents, threads and runs, each run with a step and a call; the ids of the runs."""
    workspace_id = ids.decode(IdPrefix.WORKSPACE, member.workspace_id)
    runs = []
    for number in range(count):
        agent = await create_agent(member, MODEL)
        runs.append(await start_run(member, agent, f"Hello {number}"))
    async with transaction([workspace_id]):
        for run in runs:
            await add_step(workspace_id, run)
    return [run["id"] for run in runs]


async def add_step(workspace_id: UUID, run: Json) -> None:
    run_id, now = ids.decode(IdPrefix.RUN, run["id"]), datetime.now(UTC)
    await RunStep.create(
        workspace_id=workspace_id, run_id=run_id, position=1, kind=StepKind.MODEL, name=MODEL, started_at=now
    )
    await LlmCall.create(
        workspace_id=workspace_id,
        run_id=run_id,
        agent_id=ids.decode(IdPrefix.AGENT, run["agent"]["id"]),
        step_id=new_id(),
        provider="local",
        model=MODEL,
        status=LlmCallStatus.SUCCEEDED,
        started_at=now,
    )


async def statements(caplog: pytest.LogCaptureFixture, member: Member, query: str, **variables: object) -> int:
    """How many the server sends to the database for this, by somebody who has asked it before."""
    await member.client.execute(query, **variables)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        await member.client.execute(query, **variables)
    return len(caplog.records)


@pytest.fixture(scope="module")
async def few(server: Server) -> tuple[Member, list[str]]:
    member = await sign_up(server)
    return member, await populate(member, 2)


@pytest.fixture(scope="module")
async def many(server: Server) -> tuple[Member, list[str]]:
    member = await sign_up(server)
    return member, await populate(member, 20)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_a_page_of_twenty_takes_as_many_statements_as_one_of_two(
    few: tuple[Member, list[str]], many: tuple[Member, list[str]], caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    counts = [await statements(caplog, member, operation, id=member.workspace_id) for member, _ in (few, many)]
    assert 0 < counts[0] == counts[1] < 60


async def test_nodes_of_one_type_are_read_together(
    few: tuple[Member, list[str]], many: tuple[Member, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Run {{ {RUN} }} }} }}"
    counts = [await statements(caplog, member, query, ids=run_ids) for member, run_ids in (few, many)]
    assert 0 < counts[0] == counts[1]


async def test_the_rows_of_each_parent_are_its_own(many: tuple[Member, list[str]]) -> None:
    member, run_ids = many
    data = await member.client.execute(OPERATIONS["threads"], id=member.workspace_id)
    threads = data["workspace"]["threads"]["nodes"]
    assert [thread["runs"]["nodes"][0]["id"] for thread in threads] == run_ids[::-1]
    for thread in threads:
        [run] = thread["runs"]["nodes"]
        assert (run["input"], thread["runs"]["totalCount"]) == (thread["title"], 1)
        assert [message["text"] for message in thread["newest"]["nodes"]] == [thread["title"]]
        assert [step["name"] for step in run["steps"]["nodes"]] == [MODEL]
        assert (run["usage"]["llmCalls"], run["lastSeq"]) == (1, 1)


async def test_what_is_the_same_for_everybody_takes_no_statement(
    few: tuple[Member, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    member, _ = few
    assert await statements(caplog, member, "{ __typename }") == 0
    assert await statements(caplog, member, "{ __typename viewer { id } }") > 0
    assert await statements(caplog, member, "{ ...A } fragment A on Query { viewer { id } }") > 0
    assert (await member.client.execute("{ __typename viewer { id } }"))["viewer"] == {"id": member.user_id}


async def test_twenty_threads_with_run_cost_and_message_take_so_many_statements(
    few: tuple[Member, list[str]], many: tuple[Member, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    query = """query ($id: ID!) {
      workspace(id: $id) {
        threads(first: 20) {
          nodes {
            id title
            runs(first: 1) { nodes { id status usage { costUsd } } }
            messages(last: 1) { nodes { id text } }
          }
        }
      }
    }"""
    counts = [await statements(caplog, member, query, id=member.workspace_id) for member, _ in (few, many)]
    assert counts[0] == counts[1]
    # The workspace, with who asks, and a page of threads, runs, costs and messages.
    assert counts[1] <= 5 * STATEMENTS_PER_TRANSACTION
    data = await many[0].client.execute(query, id=many[0].workspace_id)
    assert len(data["workspace"]["threads"]["nodes"]) == 20

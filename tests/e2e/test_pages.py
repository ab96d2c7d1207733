"""Pages are read with the columns that are asked for, and answer as they do when they are read as a whole."""

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from core import ids
from core.ids import IdPrefix
from models.database import transaction
from models.runs import Run, RunStatus
from models.threads import Message, MessageRole
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.operations import create_agent, start_run
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
FAILURE = "failure { code message retryable }"
# What a column holds, and what takes more.
PLAIN = {
    "Run": ["id", "status", "input", "metadata", "outputText", "output", "createdAt", "startedAt", "finishedAt"],
    "Message": ["id", "role", "text", "partial", "createdAt"],
    "Thread": ["id", "title", "createdAt"],
}
MORE = {
    "Run": [FAILURE, "agent { id }", "agentVersion { number }", "thread { title }", "startedBy { id }", "lastSeq"],
    "Message": ["run { id status }"],
    "Thread": ["endUser { id }", "messages { nodes { text } }", "runs { edges { cursor node { id createdAt } } }"],
}
LISTS = {
    "agent(id: $agentId) { list: runs(first: 3) { %s } }": "Run",
    "workspace(id: $id) { list: runs { %s } }": "Run",
    "workspace(id: $id) { list: threads { %s } }": "Thread",
    "workspace(id: $id) { threads { nodes { list: runs { %s } } } }": "Run",
    "workspace(id: $id) { threads { nodes { list: messages(last: 2) { %s } } } }": "Message",
}


@pytest.fixture(scope="module")
async def member(server: Server) -> Member:
    return await sign_up(server)


@pytest.fixture(scope="module")
async def variables(member: Member) -> Mapping[str, object]:
    """Of a workspace with some threads, whose runs have stood everywhere."""
    agent = await create_agent(member, MODEL)
    workspace_id = ids.decode(IdPrefix.WORKSPACE, member.workspace_id)
    for number, status in enumerate(RunStatus):
        run = await start_run(member, agent, f"Hello {number}")
        await finish(workspace_id, ids.decode(IdPrefix.RUN, run["id"]), status, number)
    return {"id": member.workspace_id, "agentId": agent["id"], "yes": True, "no": False}


async def finish(workspace_id: object, run_id: object, status: RunStatus, number: int) -> None:
    moment = datetime(2026, 1, 31, 12, 0, number, 1000 * number, tzinfo=UTC)
    async with transaction([workspace_id]):  # type: ignore[list-item]
        run = await Run.get(id=run_id)
        run.status, run.started_at, run.metadata = status, moment, {"number": [number, None]}
        if status is RunStatus.FAILED:
            run.failure_code, run.failure_message, run.failure_retryable = "INTERNAL", "It broke.", False
        if status.is_final:
            run.finished_at, run.output_text = moment, f"Answer {number}"
        await run.save()
        await Message.create(
            workspace_id=workspace_id,
            thread_id=run.thread_id,
            run_id=run.id,
            position=1,
            role=MessageRole.ASSISTANT,
            text=f"Answer {number}",
        )


def fields(draw: random.Random, kind: str, *, spread: bool = True) -> str:
    parts = []
    for _ in range(draw.randint(1, 4)):
        directive = draw.choice(["", "", "@skip(if: $no)", "@include(if: $no)", "@include(if: $yes)"])
        choice = draw.randint(0, 9)
        if choice == 0 and spread:
            parts.append(f"... on {kind} {directive} {{ {fields(draw, kind, spread=False)} }}")
        elif choice == 1 and spread:
            parts.append(f"...Common {directive}")
        elif choice == 2:
            parts.append(draw.choice(MORE[kind]))
        else:
            name = draw.choice([*PLAIN[kind], "__typename"])
            alias = draw.choice(["", "", f"a{name.strip('_')}: "])
            parts.append(f"{alias}{name} {directive}")
    return " ".join(parts)


def connection(draw: random.Random, kind: str) -> str:
    page = f"pageInfo {{ startCursor endCursor hasNextPage }} totalCount edges {{ cursor node {{ {PLAIN[kind][0]} }} }}"
    nodes, edges = fields(draw, kind), f"... {{ edges {{ node {{ {fields(draw, kind)} }} }} }}"
    return " ".join(part for part in (f"nodes {{ {nodes} }}", edges, page) if draw.random() < 0.6) or "totalCount"


def document(draw: random.Random) -> str:
    form, kind = draw.choice(list(LISTS.items()))
    text = form % connection(draw, kind)
    common = f"fragment Common on {kind} {{ {fields(draw, kind, spread=False)} }}"
    head = "query ($id: ID!, $agentId: ID!, $yes: Boolean!, $no: Boolean!)"
    everything = (
        "workspace(id: $id) { id } agent(id: $agentId) { id } typed: __typename @skip(if: $no) @include(if: $yes)"
    )
    return f"{head} {{ {everything} {text} }} {common if '...Common' in text else ''}"


@contextmanager
def whole_rows() -> Iterator[None]:
    """Nobody looks ahead."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("schema.lookahead._columns", lambda *_: {})
        yield


@pytest.mark.parametrize("seed", range(60))
async def test_what_is_read_changes_no_answer(member: Member, variables: Mapping[str, object], seed: int) -> None:
    query = document(random.Random(seed))
    answer: Json = await member.client.execute(query, **variables)
    with whole_rows():
        expected = await member.client.execute(query, **variables)
    assert str(answer) == str(expected)


async def read(member: Member, caplog: pytest.LogCaptureFixture, query: str, id: object) -> str:
    """The statement that reads runs for this."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        await member.client.execute(query, id=id)
    [statement] = [record.getMessage() for record in caplog.records if 'FROM "runs"' in record.getMessage()]
    return statement


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ("nodes { id status }", {"id", "status"}),
        ("nodes { __typename } edges { cursor node { ...F } }", {"id", "created_at"}),
        ("nodes { outputText lastSeq }", None),
        ("nodes { outputText failure { code } }", None),
    ],
)
async def test_only_the_columns_that_are_asked_for_are_read(
    member: Member,
    variables: Mapping[str, object],
    caplog: pytest.LogCaptureFixture,
    asked: str,
    columns: set[str] | None,
) -> None:
    fragment = "fragment F on Run { at: createdAt }" if "...F" in asked else ""
    query = f"query ($id: ID!) {{ workspace(id: $id) {{ runs {{ {asked} }} }} }} {fragment}"
    statement = await read(member, caplog, query, variables["id"])
    read_ones = {column for column in Run.column_names() if f'"{column}"' in statement.partition('FROM "runs"')[0]}
    assert read_ones == (columns or Run.column_names())

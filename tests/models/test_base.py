"""The short way to write and read rows does what Tortoise does."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from tortoise.exceptions import OperationalError
from tortoise.models import Model

from core.events import LoggedEvent, TextDelta
from core.ids import new_id
from models import writes as writes_module
from models.base import Row
from models.database import Connection, IntegrityError, fetch, reading, transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run, RunStatus
from models.threads import Message, MessageRole, Thread
from models.writes import Writes
from streaming.log import last_seq, write_events
from tests.streaming.runs import make_run

pytestmark = pytest.mark.usefixtures("pool")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@dataclass(frozen=True)
class Sample:
    """Values for a new row of a table, and for those columns that change."""

    table: type[Row]
    columns: dict[str, Any]
    changes: dict[str, Any]


def samples(run: Run) -> list[Sample]:
    of_workspace = {"workspace_id": run.workspace_id}
    of_run = of_workspace | {"run_id": run.id}
    message = {"thread_id": run.thread_id, "position": 0, "role": MessageRole.USER, "text": "Grüße 'n' $1 \\"}
    step = {"position": 1, "kind": StepKind.MODEL, "name": "a/b", "input": {"messages": 1}, "started_at": AT}
    call = {"step_id": new_id(), "agent_id": run.agent_id, "provider": "a", "model": "a/b", "started_at": AT}
    another_run = {name: getattr(run, name) for name in ("agent_id", "agent_version_id", "thread_id", "started_by_id")}
    ended = {"status": RunStatus.FAILED, "output": [1, "two", None], "finished_at": AT, "failure_retryable": False}
    return [
        Sample(Thread, of_workspace | {"title": None}, {"title": "T"}),
        Sample(Message, of_run | message, {"partial": True, "role": MessageRole.TOOL}),
        Sample(RunStep, of_run | step, {"status": StepStatus.FAILED, "output": {"a": [1, None]}, "attempt": 2}),
        Sample(
            LlmCall,
            of_run | call | {"status": LlmCallStatus.RUNNING},
            {
                "cost_usd": Decimal("0.0000000001"),
                "input_tokens": 2**40,
                "duration_ms": 1.5,
                "failure_code": "INTERNAL",
            },
        ),
        Sample(Run, of_workspace | another_run | {"input": "Hi", "metadata": {"a": None}}, ended),
    ]


async def inserted(connection: Connection, row: Row) -> Row:
    writes = Writes()
    writes.insert(row)
    await writes.send(connection)
    return row


async def stored(row: Row) -> dict[str, Any]:
    """What Tortoise finds."""
    found = await type(row).get(id=row.id)
    return {column: getattr(found, column) for column in found._meta.db_fields}


async def test_rows_are_written_and_read_as_tortoise_does() -> None:
    run = await make_run()
    async with transaction([run.workspace_id]) as connection:
        for sample in samples(run):
            began = datetime.now(UTC)
            row = await inserted(connection, sample.table(**sample.columns))
            written = await stored(row)
            assert written == {column: getattr(row, column) for column in row._meta.db_fields}
            if "created_at" in written:
                assert began <= written.pop("created_at") <= began + timedelta(minutes=1)
            await fetch(connection, f"DELETE FROM {row._meta.db_table} WHERE id = $1", row.id)
            await sample.table.create(id=row.id, **sample.columns)
            assert written.items() <= (await stored(row)).items()

            await row.write(connection, sample.changes)
            assert sample.changes.items() <= (await stored(row)).items()
            [read] = await sample.table.read(connection, "WHERE id = $1", row.id)
            assert {column: getattr(read, column) for column in read._meta.db_fields} == await stored(row)


def by_tortoise(table: type[Row], values: dict[str, Any]) -> Row:
    row = table.__new__(table)
    Model.__init__(row, **values)
    return row


async def test_new_rows_are_those_that_tortoise_makes() -> None:
    run, moment = await make_run(), datetime.now(UTC)
    for sample in samples(run):
        given = (
            {"id": new_id(), "created_at": moment} if "created_at" in sample.table.column_names() else {"id": new_id()}
        )
        for values in (
            sample.columns | given,
            sample.columns | sample.changes | given,
            {
                name: str(value) if isinstance(value, UUID) else value
                for name, value in (sample.columns | given).items()
            },
            {name: getattr(value, "value", value) for name, value in (sample.columns | given).items()},
            {name: value.isoformat() if value is moment else value for name, value in (sample.columns | given).items()},
        ):
            assert vars(sample.table(**values)) == vars(by_tortoise(sample.table, values))
        made = sample.table(**sample.columns)
        assert made.id != sample.table(**sample.columns).id
        with pytest.raises(ValueError, match="workspace_id is non nullable"):
            sample.table(**sample.columns | {"workspace_id": None})


async def test_writes_are_sent_as_one_in_whatever_order_and_none_is_left_out() -> None:
    run = await make_run()
    writes, heard = Writes(), f"{new_id()}"
    thread = Thread(workspace_id=run.workspace_id, title="New")
    another = {name: getattr(run, name) for name in ("workspace_id", "agent_id", "agent_version_id", "started_by_id")}
    # The thread's own row comes after the one that refers to it.
    queued = Run(**another, thread_id=thread.id, input="Hi")
    writes.insert(queued)
    writes.insert(thread)
    writes.update(run, {"output_text": heard, "epoch": 5})
    writes.add("SELECT set_config('app.email', $1, true), $2::int", heard, 1)
    async with transaction([run.workspace_id]) as connection:
        await writes.send(connection)
        assert await fetch(connection, "SELECT current_setting('app.email') AS email") == [{"email": heard}]
        assert [row.id for row in await Thread.read(connection, "WHERE title = 'New'")] == [thread.id]
        assert (await Run.get(id=queued.id)).thread_id == thread.id
        assert ((await stored(run))["output_text"], run.output_text, run.epoch) == (heard, heard, 5)


async def test_when_one_write_fails_none_is_done() -> None:
    run = await make_run()
    writes = Writes()
    writes.update(run, {"epoch": 9})
    writes.insert(Thread(id=run.thread_id, workspace_id=run.workspace_id))
    with pytest.raises(IntegrityError):
        async with transaction([run.workspace_id]) as connection:
            await writes.send(connection)
    async with transaction([run.workspace_id]):
        assert (await stored(run))["epoch"] == 1


async def test_writes_that_are_sent_alone_are_all_done_or_none() -> None:
    run = await make_run()
    scope = reading([run.workspace_id])

    def thread_and_message(run_id: UUID) -> tuple[Thread, Writes]:
        thread, writes = Thread(workspace_id=run.workspace_id, title="New"), Writes()
        said: dict[str, Any] = {"position": 9, "role": MessageRole.USER, "text": "Hi"}
        writes.insert(Message(workspace_id=run.workspace_id, thread_id=thread.id, run_id=run_id, **said))
        writes.insert(thread)
        return thread, writes

    thread, writes = thread_and_message(run.id)
    assert not await writes.send_alone(scope, "SELECT id FROM runs WHERE id = $1 AND epoch = $2", run.id, run.epoch + 1)
    assert await Thread.read(scope, "WHERE id = $1", thread.id) == []
    assert await writes.send_alone(scope, "SELECT id FROM runs WHERE id = $1 AND epoch = $2", run.id, run.epoch)
    assert [row.title for row in await Thread.read(scope, "WHERE id = $1", thread.id)] == ["New"]
    assert [row.text for row in await Message.read(scope, "WHERE thread_id = $1", thread.id)] == ["Hi"]
    # The message is there already.
    thread, writes = thread_and_message(run.id)
    with pytest.raises(IntegrityError):
        await writes.send_alone(scope)
    assert await Thread.read(scope, "WHERE id = $1", thread.id) == []
    thread, writes = thread_and_message(new_id())
    with pytest.raises(OperationalError, match="row-level security"):
        await writes.send_alone(reading([(await make_run()).workspace_id]))
    assert await Thread.read(scope, "WHERE id = $1", thread.id) == []
    assert await writes.send_alone(scope)
    assert len(await Thread.read(scope, "WHERE id = $1", thread.id)) == 1


@pytest.mark.parametrize("without", ["nestloop", "hashjoin", "mergejoin", "material", "seqscan", "indexscan"])
@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_writes_that_are_sent_alone_have_the_scope_set_before_any_of_them_whatever_the_plan(
    monkeypatch: pytest.MonkeyPatch, without: str, plan: str
) -> None:
    run = await make_run()
    scope, writes, thread = reading([run.workspace_id]), Writes(), Thread(workspace_id=run.workspace_id, title="New")
    writes.update(run, {"output_text": plan})
    writes.insert(thread)
    write_events(writes, run.workspace_id, [LoggedEvent(run.id, 2, 2, AT, None, TextDelta("Hi"))])
    async with transaction() as connection:
        await fetch(connection, f"SET LOCAL enable_{without} = off")
        await fetch(connection, f"SET LOCAL plan_cache_mode = {plan}")
        with monkeypatch.context() as here:
            here.setattr(writes_module, "look_up", partial(fetch, connection))
            assert await writes.send_alone(scope, "SELECT id FROM runs WHERE id = $1 FOR NO KEY UPDATE", run.id)
    assert [row.output_text for row in await Run.read(scope, "WHERE id = $1", run.id)] == [plan]
    assert len(await Thread.read(scope, "WHERE id = $1", thread.id)) == 1
    assert await last_seq(scope, run.id) == 2


async def test_rows_of_other_tenants_are_neither_read_nor_written() -> None:
    run, other = await make_run(), await make_run()
    writes = Writes()
    writes.insert(Thread(workspace_id=run.workspace_id))
    async with transaction([other.workspace_id]) as connection:
        assert await Run.read(connection, "WHERE id = $1", run.id) == []
        await run.write(connection, {"epoch": 7})
    with pytest.raises(OperationalError, match="row-level security"):
        async with transaction([other.workspace_id]) as connection:
            await writes.send(connection)
    async with transaction([run.workspace_id]) as connection:
        assert [row.epoch for row in await Run.read(connection, "WHERE id = $1", run.id)] == [1]

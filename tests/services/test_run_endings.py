"""What is written by who owns a run, and only by who owns it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import UTC, datetime

import pytest

from core.events import LoggedEvent, RunFinished
from models.database import fetch, reading, transaction
from models.llm_calls import RunUsage
from models.runs import Run, RunStatus
from models.writes import Writes
from services.run_endings import Outcome, end, send_owned
from streaming.log import last_seq, write_events
from tests.streaming.runs import make_run, take_over

pytestmark = pytest.mark.usefixtures("pool")


async def ending(run: Run, epoch: int = 1, *, if_cancelled: bool = True) -> bool:
    """Whether it was written that the run has ended."""
    [known], writes = await Run.read(reading([run.workspace_id]), "WHERE id = $1", run.id), Writes()
    event: LoggedEvent = end(writes, known, Outcome(RunStatus.SUCCEEDED, output_text="Hi"), RunUsage(), 2, "")
    assert isinstance(event.body, RunFinished)
    write_events(writes, run.workspace_id, [event])
    return await send_owned(writes, run, epoch, if_cancelled=if_cancelled)


async def now(run: Run) -> tuple[Run, int]:
    """The run's row, and its newest event's number."""
    scope = reading([run.workspace_id])
    [row] = await Run.read(scope, "WHERE id = $1", run.id)
    return row, await last_seq(scope, run.id)


@asynccontextmanager
async def meanwhile(run: Run, change: str) -> AsyncIterator[None]:
    """Within the block the run's row is changed, and not committed: who wants to lock it waits until its end."""
    async with transaction([run.workspace_id]) as connection:
        await fetch(connection, f"UPDATE runs SET {change} WHERE id = $1", run.id)
        yield
        # Until the other has come to wait.
        await asyncio.sleep(0.2)


async def test_the_owner_writes_all_of_it() -> None:
    run = await make_run()
    assert await ending(run)
    row, seq = await now(run)
    assert (row.status, row.output_text, seq) == (RunStatus.SUCCEEDED, "Hi", 2)


@pytest.mark.parametrize("epoch", [0, 2])
async def test_nobody_else_writes_anything(epoch: int) -> None:
    run = await make_run()
    assert not await ending(run, epoch)
    row, seq = await now(run)
    assert (row.status, row.output_text, seq) == (run.status, None, 1)


async def test_nor_does_who_has_lost_it() -> None:
    run = await make_run()
    await take_over(run)
    assert not await ending(run)
    assert await ending(run, 2)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED"])
async def test_a_run_that_is_over_is_left_as_it_is(status: str) -> None:
    run = await make_run()
    async with transaction([run.workspace_id]) as connection:
        await fetch(connection, "UPDATE runs SET status = $2 WHERE id = $1", run.id, status)
    assert not await ending(run)
    assert (await now(run))[0].status == status


@pytest.mark.parametrize("if_cancelled", [True, False])
async def test_a_run_that_somebody_has_cancelled_may_be_left_to_the_long_way(if_cancelled: bool) -> None:
    run = await make_run()
    async with transaction([run.workspace_id]) as connection:
        await fetch(connection, "UPDATE runs SET cancel_requested_at = $2 WHERE id = $1", run.id, datetime.now(UTC))
    assert await ending(run, if_cancelled=if_cancelled) is if_cancelled
    assert (await now(run))[1] == (2 if if_cancelled else 1)


async def test_who_waits_for_another_that_takes_the_run_away_writes_nothing() -> None:
    run = await make_run()
    async with meanwhile(run, "epoch = epoch + 1"):
        waiting = asyncio.create_task(ending(run), context=Context())
    assert not await waiting
    row, seq = await now(run)
    assert (row.status, row.output_text, row.epoch, seq) == (run.status, None, 2, 1)


@pytest.mark.parametrize("if_cancelled", [True, False])
async def test_who_waits_for_another_that_leaves_the_run_writes_all_of_it_beside_what_that_one_wrote(
    if_cancelled: bool,
) -> None:
    run = await make_run()
    async with meanwhile(run, "cancel_requested_at = now(), metadata = '[1]'"):
        waiting = asyncio.create_task(ending(run, if_cancelled=if_cancelled), context=Context())
    assert await waiting is if_cancelled
    row, seq = await now(run)
    assert row.cancel_requested_at is not None
    assert row.metadata == [1]
    if if_cancelled:
        assert (row.status, row.output_text, seq) == (RunStatus.SUCCEEDED, "Hi", 2)
    else:
        assert (row.status, row.output_text, seq) == (run.status, None, 1)

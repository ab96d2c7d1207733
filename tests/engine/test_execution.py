"""Stopping what reads a provider, and nothing else."""

import asyncio

import pytest

from core.ids import new_id
from engine.execution import CancelRequested, Execution
from models.runs import Run
from services.claims import Claim
from streaming.bus import Bus
from streaming.event_log import EventLog


class Reader:
    """Reads until it is stopped, and takes a moment to close."""

    def __init__(self) -> None:
        self.reading, self.closed = asyncio.Event(), False

    async def read(self) -> None:
        try:
            self.reading.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            self.closed = True


@pytest.fixture
def execution() -> Execution:
    claim = Claim(Run(id=new_id(), workspace_id=new_id(), epoch=1), opens_thread=True)
    log = EventLog(Bus.from_url(None))
    return Execution(claim, log.writer(claim.run_id, claim.workspace_id, claim.epoch))


async def test_cancelling_stops_the_reader_and_waits_until_it_has_closed(execution: Execution) -> None:
    reader = Reader()

    async def run() -> str:
        with pytest.raises(CancelRequested):
            await execution.interruptible(reader.read)
        assert reader.closed
        await asyncio.sleep(0)
        return "went on"

    task = asyncio.create_task(run())
    await reader.reading.wait()
    execution.cancel()
    execution.cancel()
    assert await task == "went on"


async def test_what_was_cancelled_before_never_begins(execution: Execution) -> None:
    reader = Reader()
    execution.cancel()
    with pytest.raises(CancelRequested):
        await execution.interruptible(reader.read)
    assert not reader.reading.is_set()


@pytest.mark.parametrize("also_cancelled", [False, True])
async def test_a_process_that_stops_is_no_cancellation(execution: Execution, also_cancelled: bool) -> None:
    reader = Reader()
    task = asyncio.create_task(execution.interruptible(reader.read))
    await reader.reading.wait()
    task.cancel()
    if also_cancelled:
        execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # A second cancellation may reach what closes the connection.
    assert reader.closed or also_cancelled


async def test_failures_and_time_outs_of_the_reader_pass(execution: Execution) -> None:
    async def time_out() -> None:
        raise TimeoutError("the reader's own")

    with pytest.raises(TimeoutError, match="own"):
        await execution.interruptible(time_out)


async def test_cancelling_after_the_end_does_nothing(execution: Execution) -> None:
    await execution.interruptible(lambda: asyncio.sleep(0))
    execution.cancel()
    await asyncio.sleep(0.01)

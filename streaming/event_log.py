"""Writing runs' events: one task of the process stores what all its runs have to say, many events a statement.

Until the next tick, what comes after an insert began is gathered for the next one: an idle system stores a word as soon
as it was said, a busy one stores more at once. That may begin before the one before is over, with what other runs say.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any
from uuid import UUID
from weakref import WeakSet

import structlog

from core.errors import LogUnavailable, RunLost, SynapseError, Unstorable
from core.ticks import FEW_STREAMS, TICK_S, Ticks, nearest_tick
from models.database import LOG_CONNECTIONS, is_of_the_values, is_transient
from streaming.bus import Bus
from streaming.log import Ownership, insert_owned, tell
from streaming.retry import retried
from streaming.writer import RunWriter, Store

GATHER_S = TICK_S
"""From the beginning of one insert to that of the next, to the nearest tick: what comes meanwhile shares it."""
GIVE_UP_S = 30.0

_log = structlog.get_logger(__name__)


class EventLog(Store):
    """The writing end of the log in this process: opens writers, and stores what they append."""

    def __init__(self, bus: Bus, ticks: Ticks | None = None, *, give_up_s: float = GIVE_UP_S) -> None:
        """``give_up_s``: how long the database may be away before what could not be stored fails its writers."""
        self._bus = bus
        self._ticks = ticks or Ticks()
        self._give_up_s = give_up_s
        # Those with events that are not stored yet, in the order of their first one.
        self._unsettled: dict[RunWriter, None] = {}
        self._filled = asyncio.Event()
        # It is time to store what there is, or somebody waits for it.
        self._awaited = asyncio.Event()
        self._gathers_until = 0.0
        self._places = asyncio.Semaphore(LOG_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: WeakSet[RunWriter] = WeakSet()

    async def start(self) -> None:
        """Begin to store."""
        self._spawn(self._store_for_ever())

    async def aclose(self) -> None:
        """Store what is pending, and stop."""
        await asyncio.gather(*(writer.flush() for writer in self._unsettled), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def writer(self, run_id: UUID, workspace_id: UUID, epoch: int) -> RunWriter:
        """The writer of a run that this process owns since ``epoch``; open it before anything is appended."""
        writer = RunWriter(self, run_id, workspace_id, epoch)
        self._writers.add(writer)
        return writer

    def notice(self, writer: RunWriter) -> None:
        self._unsettled[writer] = None
        self._filled.set()

    def hurry(self) -> None:
        if self.is_quiet:
            self._awaited.set()

    @property
    def is_quiet(self) -> bool:
        return len(self._writers) <= FEW_STREAMS

    async def _store_for_ever(self) -> None:
        now = asyncio.get_running_loop().time
        next_at = now()
        while True:
            await self._filled.wait()
            await self._gather(next_at)
            # Where many write, by the tick, however late it was heard: what the next one wakes would wait for another.
            since = now() if self.is_quiet else max(next_at, now() - GATHER_S)
            next_at = nearest_tick(since + GATHER_S)
            await self._places.acquire()
            self._filled.clear()
            if batch := [writer for writer in self._unsettled if writer.take()]:
                self._spawn(self._store_in_place(batch))
            else:
                self._places.release()

    async def _gather(self, until: float) -> None:
        """Wait for that tick, unless somebody else waits for what there is."""
        if until > asyncio.get_running_loop().time() or not self.is_quiet:
            self._gathers_until = until
            self._ticks.call_at(until, self._ring)
            await self._awaited.wait()
            # Those whom the same tick has woken may have something to say, too.
            await asyncio.sleep(0)
        self._awaited.clear()

    def _ring(self, at: float) -> None:
        if at == self._gathers_until:
            self._awaited.set()

    async def _store_in_place(self, batch: Sequence[RunWriter]) -> None:
        try:
            await self._store(batch)
        finally:
            self._places.release()

    async def _store(self, batch: Sequence[RunWriter]) -> None:
        """Store what these have in flight in one go; those for which that did not work, each in a task of its own.

        So nobody waits for a run that is locked, or suffers from one that can't be stored.
        """
        try:
            left_out = await self._insert(batch, skip_locked=True)
        except Exception as error:
            if is_transient(error):
                for writer in batch:
                    self._drop(writer, _failure(error))
                return
            left_out = {writer.ownership for writer in batch}
        if left_out:
            for writer in batch:
                if writer.ownership in left_out:
                    self._spawn(self._store_alone(writer))
            batch = [writer for writer in batch if writer.ownership not in left_out]
        await self._settle(batch)

    async def _store_alone(self, writer: RunWriter) -> None:
        try:
            left_out = await self._insert([writer], skip_locked=False)
        except Exception as error:
            self._drop(writer, _failure(error))
            return
        if left_out:
            self._drop(writer, RunLost("Another process owns the run now."))
        else:
            await self._settle([writer])

    async def _insert(self, batch: Sequence[RunWriter], *, skip_locked: bool) -> set[Ownership]:
        """Insert what is in flight; what of it was left out, as its run is not owned or locked, is returned."""
        events = [(event, writer.epoch) for writer in batch for event in writer.in_flight]
        workspace_ids = {writer.workspace_id for writer in batch}

        async def attempt(again: bool) -> set[Ownership]:
            for writer in batch:
                writer.in_doubt |= again
            in_doubt = any(writer.in_doubt for writer in batch)
            return await insert_owned(events, workspace_ids, skip_locked=skip_locked, in_doubt=in_doubt)

        return await retried(attempt, self._give_up_s)

    async def _settle(self, writers: Sequence[RunWriter]) -> None:
        try:
            await tell(self._bus, [(writer.run_id, writer.in_flight) for writer in writers])
        except Exception:
            # It is stored, and who follows these runs reads it in the log, if later.
            _log.exception("what was stored could not be told of", run_ids=[str(writer.run_id) for writer in writers])
        for writer in writers:
            writer.settle()
            del self._unsettled[writer]
            if writer.has_pending:
                self.notice(writer)

    def _drop(self, writer: RunWriter, failure: SynapseError) -> None:
        _log.warning(
            "a run's events are not stored", run_id=str(writer.run_id), failure=repr(failure.__cause__ or failure)
        )
        del self._unsettled[writer]
        writer.fail(failure)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        # In an empty context: one that is begun in a transaction would otherwise take its connection for its own.
        task = asyncio.create_task(coroutine, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _failure(cause: Exception) -> SynapseError:
    kind = Unstorable if is_of_the_values(cause) else LogUnavailable
    failure = kind("The run's events could not be stored.")
    failure.__cause__ = cause
    return failure

"""Writing runs' events: one task of the process stores what all its runs have to say, many events a statement.

Until the next tick, what comes after an insert began is gathered for the next one: an idle system stores a word as soon
as it was said, a busy one stores more at once. That may begin before the one before is over, with what other runs say.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from weakref import WeakSet

import structlog

from core.errors import LogUnavailable, RunLost, SynapseError
from core.events import LoggedEvent, ReasoningDelta, RunEventBody, TextDelta
from core.ticks import FEW_STREAMS, TICK_S, Ticks, nearest_tick
from models.database import LOG_CONNECTIONS, Reader, is_transient
from streaming.bus import Bus
from streaming.codec import encode_body, storable
from streaming.deltas import StandingText, grown, joined
from streaming.log import Ownership, insert_owned, last_seq, standing_text, tell
from streaming.retry import retried

ROOM_CHARS = 64 * 1024
"""How much of one run may wait to be stored before `RunWriter.room` holds up who appends."""
GATHER_S = 0.009
"""From the beginning of one insert to that of the next, to the nearest tick: what comes meanwhile shares it. Where many
runs are written, one begins at each tick.
"""
HEAD_START_S = 0.003
"""How long the rest of an answer is left alone once its first words are stored: somebody is about to ask for them, who
is to find an idle processor. The rest would be stored at the next tick, and readers get no more that soon."""
GIVE_UP_S = 30.0

_log = structlog.get_logger(__name__)


class EventLog:
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

    def writer(self, run_id: UUID, workspace_id: UUID, epoch: int) -> "RunWriter":
        """The writer of a run that this process owns since ``epoch``; open it before anything is appended."""
        writer = RunWriter(self, run_id, workspace_id, epoch)
        self._writers.add(writer)
        return writer

    def notice(self, writer: "RunWriter") -> None:
        """There is something to store of this writer's."""
        self._unsettled[writer] = None
        self._filled.set()

    def hurry(self) -> None:
        """Somebody waits for what is pending: gather no longer, unless there are many who might."""
        if self.is_quiet:
            self._awaited.set()

    @property
    def is_quiet(self) -> bool:
        """Whether few runs are written here, so that one of them may be waited for."""
        return len(self._writers) <= FEW_STREAMS

    async def _store_for_ever(self) -> None:
        now = asyncio.get_running_loop().time
        next_at = now()
        while True:
            await self._filled.wait()
            await self._gather(next_at)
            if self.is_quiet:
                next_at = nearest_tick(now() + GATHER_S)
            else:
                # However late it was heard: what the next one wakes would wait for another.
                next_at = nearest_tick(max(next_at, now() - TICK_S) + TICK_S)
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

    async def _store_in_place(self, batch: Sequence["RunWriter"]) -> None:
        try:
            await self._store(batch)
        finally:
            self._places.release()

    async def _store(self, batch: Sequence["RunWriter"]) -> None:
        """Store what these have in flight in one go; those for which that did not work, each in a task of its own.

        So nobody waits for a run that is locked, or suffers from one that can't be stored.
        """
        try:
            left_out = await self._insert(batch, skip_locked=True)
        except Exception as error:
            if is_transient(error):
                for writer in batch:
                    self._drop(writer, _unavailable(error))
                return
            left_out = {writer.ownership for writer in batch}
        if left_out:
            for writer in batch:
                if writer.ownership in left_out:
                    self._spawn(self._store_alone(writer))
            batch = [writer for writer in batch if writer.ownership not in left_out]
        await self._settle(batch)

    async def _store_alone(self, writer: "RunWriter") -> None:
        try:
            left_out = await self._insert([writer], skip_locked=False)
        except Exception as error:
            self._drop(writer, _unavailable(error))
            return
        if left_out:
            self._drop(writer, RunLost("Another process owns the run now."))
        else:
            await self._settle([writer])

    async def _insert(self, batch: Sequence["RunWriter"], *, skip_locked: bool) -> set[Ownership]:
        """Insert what is in flight; what of it was left out, as its run is not owned or locked, is returned."""
        events = [(event, writer.epoch) for writer in batch for event in writer.in_flight]
        workspace_ids = {writer.workspace_id for writer in batch}

        async def attempt(again: bool) -> set[Ownership]:
            for writer in batch:
                writer.in_doubt |= again
            in_doubt = any(writer.in_doubt for writer in batch)
            return await insert_owned(events, workspace_ids, skip_locked=skip_locked, in_doubt=in_doubt)

        return await retried(attempt, self._give_up_s)

    async def _settle(self, writers: Sequence["RunWriter"]) -> None:
        await tell(self._bus, [(writer.run_id, writer.in_flight) for writer in writers])
        for writer in writers:
            writer.settle()
            del self._unsettled[writer]
            if writer.has_pending:
                self.notice(writer)

    def _drop(self, writer: "RunWriter", failure: SynapseError) -> None:
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


class RunWriter:
    """The writing end of one run's log, for the process that owns the run; made by `EventLog.writer`.

    ``text``: what the run has said, that which is not stored yet included.
    """

    def __init__(self, log: EventLog, run_id: UUID, workspace_id: UUID, epoch: int) -> None:
        self.run_id = run_id
        self.workspace_id = workspace_id
        self.epoch = epoch
        self.text = StandingText()
        self.in_flight: list[LoggedEvent] = []
        # Whether what is in flight may have been stored although storing it failed.
        self.in_doubt = False
        self._log = log
        self._last_seq = self._stored_seq = 0
        self._pending: list[LoggedEvent] = []
        self._pending_chars = 0
        # The number of what the run says first.
        self._first_word = 0
        self._failure: SynapseError | None = None
        # Set, and done with, once something changes for those who wait; there is none while nobody does.
        self._moved: asyncio.Event | None = None

    async def open(self, connection: Reader) -> None:
        """Go on where the log ends, in a transaction that holds the run's lock and has seen that this is its epoch."""
        if self.epoch > 1:
            self._last_seq = await last_seq(connection, self.run_id)
            self.text = await standing_text(connection, self.run_id)
        else:
            # Before its first epoch nothing happens to a run but that it is started.
            self._last_seq = 1
        self._stored_seq = self._last_seq

    @property
    def last_seq(self) -> int:
        """The number of the newest event appended."""
        return self._last_seq

    @property
    def ownership(self) -> Ownership:
        return self.run_id, self.epoch

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    def append(self, body: RunEventBody, step_id: UUID | None = None) -> None:
        """Have an event stored and shown as soon as may be. A delta may become part of the one before it.

        Raises:
            RunLost: another process owns the run now, as far as is known yet.
            LogUnavailable: an earlier event could not be stored.
            TypeError: the event holds what JSON can't say.
        """
        if self._failure is not None:
            raise self._failure
        body, at = storable(body), datetime.now(UTC)
        self._pending_chars += _size(body)
        delta = grown(self._pending[-1], body, step_id, self._last_seq, at) if self._pending else None
        if delta is not None:
            self._pending[-1] = delta
        else:
            self._last_seq += 1
            self._pending.append(LoggedEvent(self.run_id, self._last_seq, self._last_seq, at, step_id, body))
            self._log.notice(self)
            if not self._first_word:
                self._first_word = self._last_seq
                # Somebody who has asked waits for the first word more than for any other.
                self._log.hurry()
        self.text.add_body(body, step_id, self._last_seq)

    def extend(self, bodies: Sequence[RunEventBody], step_id: UUID | None = None) -> None:
        """As `append` for each of them; adjacent deltas cost as much as one.

        Raises: as `append`.
        """
        for body in joined(bodies) if len(bodies) > 1 else bodies:
            self.append(body, step_id)

    async def flush(self) -> None:
        """Wait until all that was appended is committed and published.

        Raises:
            RunLost, LogUnavailable: it never will be.
        """
        target = self._last_seq
        if self._stored_seq < target:
            self._log.hurry()
        await self._wait_until(lambda: self._stored_seq >= target)

    @property
    def has_room(self) -> bool:
        """Whether text may be appended that `room` would not wait for. Appending it does not raise, either."""
        is_awaited = self._log.is_quiet and not 0 < self._first_word <= self._stored_seq
        return self._failure is None and self._pending_chars < ROOM_CHARS and not is_awaited

    async def room(self) -> None:
        """Wait while too much is pending, and after the first words, where few runs are written, until they are stored
        and for `HEAD_START_S`: whoever appends at length calls it in between.

        Raises:
            RunLost, LogUnavailable: as `flush`.
        """
        awaited = self._first_word if self._stored_seq < self._first_word and self._log.is_quiet else 0
        if self._failure is None and self._pending_chars < ROOM_CHARS and not awaited:
            return
        await self._wait_until(lambda: self._pending_chars < ROOM_CHARS and self._stored_seq >= awaited)
        if awaited:
            await asyncio.sleep(HEAD_START_S)

    def text_sha256(self) -> str:
        """Of all that the run said and that stands, as lower-case hex."""
        return self.text.sha256()

    def next_event(self, body: RunEventBody, step_id: UUID | None = None) -> LoggedEvent:
        """``body`` as the event to come next, for the caller to insert in a transaction of its own, and to publish.

        Flush before. Unless it is the run's last event, `adopt` it once that is committed.
        """
        if self._stored_seq != self._last_seq:
            raise RuntimeError("Flush first: there are events of this run that are not stored yet.")
        return LoggedEvent(self.run_id, self._last_seq + 1, self._last_seq + 1, datetime.now(UTC), step_id, body)

    def adopt(self, event: LoggedEvent) -> None:
        """Go on after ``event``, which the caller has stored."""
        self._last_seq = self._stored_seq = event.seq
        self.text.add(event)

    def take(self) -> bool:
        """For the log: put what is pending in flight, unless something is in flight already."""
        if self.in_flight or not self._pending:
            return False
        self.in_flight, self._pending = self._pending, []
        self._pending_chars = 0
        self.in_doubt = False
        return True

    def settle(self) -> None:
        """For the log: what was in flight is stored."""
        self._stored_seq = self.in_flight[-1].seq
        self.in_flight = []
        self._announce()

    def fail(self, failure: SynapseError) -> None:
        """For the log: nothing more will be stored."""
        self._failure = failure
        self.in_flight, self._pending = [], []
        self._announce()

    def _announce(self) -> None:
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    async def _wait_until(self, reached: Callable[[], bool]) -> None:
        while self._failure is None and not reached():
            self._moved = self._moved or asyncio.Event()
            await self._moved.wait()
        if self._failure is not None:
            raise self._failure


def _unavailable(cause: Exception) -> LogUnavailable:
    failure = LogUnavailable("The run's events could not be stored.")
    failure.__cause__ = cause
    return failure


def _size(body: RunEventBody) -> int:
    if type(body) is TextDelta or type(body) is ReasoningDelta:
        return len(body.text)
    return len(encode_body(body)[1])

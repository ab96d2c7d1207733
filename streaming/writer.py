"""The writing end of one run's log: numbers what the run has to say, and keeps it until it is stored."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from core.errors import SynapseError
from core.events import LoggedEvent, RunEventBody, is_text
from models.database import Reader
from streaming.codec import encode_body, storable
from streaming.deltas import StandingText, grown, joined
from streaming.log import Ownership, last_seq, standing_text

ROOM_CHARS = 64 * 1024
"""How much of one run may wait to be stored before `RunWriter.room` holds up who appends."""
HEAD_START_S = 0.003
"""How long the rest of an answer is left alone once its first words are stored: somebody is about to ask for them, who
is to find an idle processor. The rest would be stored at the next tick, and readers get no more that soon."""


class Store(Protocol):
    """What stores the events of many runs: the `EventLog` of the process."""

    def notice(self, writer: "RunWriter") -> None:
        """There is something to store of this writer's."""

    def hurry(self) -> None:
        """Somebody waits for what is pending: gather no longer, unless there are many who might."""

    @property
    def is_quiet(self) -> bool:
        """Whether few runs are written here, so that one of them may be waited for."""


class RunWriter:
    """The writing end of one run's log, for the process that owns the run; `EventLog.writer` makes it.

    ``text``: what the run has said, that which is not stored yet included.
    """

    def __init__(self, store: Store, run_id: UUID, workspace_id: UUID, epoch: int) -> None:
        self.run_id = run_id
        self.workspace_id = workspace_id
        self.epoch = epoch
        self.text = StandingText()
        self.in_flight: list[LoggedEvent] = []
        # Whether what is in flight may have been stored although storing it failed.
        self.in_doubt = False
        self._store = store
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
            LogUnavailable, Unstorable: an earlier event could not be stored.
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
            self._store.notice(self)
            if not self._first_word:
                self._first_word = self._last_seq
                # Somebody who has asked waits for the first word more than for any other.
                self._store.hurry()
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
            RunLost, LogUnavailable, Unstorable: it never will be.
        """
        target = self._last_seq
        if self._stored_seq < target:
            self._store.hurry()
        await self._wait_until(lambda: self._stored_seq >= target)

    @property
    def has_room(self) -> bool:
        """Whether text may be appended that `room` would not wait for. Appending it does not raise, either."""
        is_awaited = self._store.is_quiet and not 0 < self._first_word <= self._stored_seq
        return self._failure is None and self._pending_chars < ROOM_CHARS and not is_awaited

    async def room(self) -> None:
        """Wait while too much is pending, and after the first words, where few runs are written, until they are stored
        and for `HEAD_START_S`: whoever appends at length calls it in between.

        Raises:
            RunLost, LogUnavailable, Unstorable: as `flush`.
        """
        awaited = self._first_word if self._stored_seq < self._first_word and self._store.is_quiet else 0
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
        """For the store: put what is pending in flight, unless something is in flight already."""
        if self.in_flight or not self._pending:
            return False
        self.in_flight, self._pending = self._pending, []
        self._pending_chars = 0
        self.in_doubt = False
        return True

    def settle(self) -> None:
        """For the store: what was in flight is stored."""
        self._stored_seq = self.in_flight[-1].seq
        self.in_flight = []
        self._announce()

    def fail(self, failure: SynapseError) -> None:
        """For the store: nothing more will be stored."""
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


def _size(body: RunEventBody) -> int:
    return len(body.text) if is_text(body) else len(encode_body(body)[1])

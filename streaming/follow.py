"""Following a run: its log from any point on, then live, each event once and in order, whatever the bus loses.

A follower has no task and no queue of its own: it takes what it needs when its reader asks for more. A reader that
does not keep up lets the bus's bounded queue overflow, and gets the rest from the log, in fewer and longer deltas.
"""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import UUID

import structlog

from core.errors import ValidationFailed
from core.events import LoggedEvent, RunFinished
from models.database import reading
from streaming.bus import Bus, Message, Missed, Subscription
from streaming.codec import Undecodable, decode_events
from streaming.deltas import extend, is_delta
from streaming.log import channel, last_seq, read
from streaming.pace import Pace
from streaming.retry import retried

POLL_S = 5.0
"""After such a silence the log is read, in case the hints got lost unnoticed."""
MOST_POLLS_PER_S = 200
"""Of all followers of the process together: with more of them, each reads the log less often."""
BLIND_POLL_S = 0.4
"""As `POLL_S`, but while the bus is known to bring nothing."""
MOST_BLIND_POLLS_PER_S = 500
"""As `MOST_POLLS_PER_S`, but then, and only until each waits for `POLL_S`."""
PAGE_EVENTS = 1000
GIVE_UP_S = 30.0
"""How long the database may be away before its failure ends a stream."""

_log = structlog.get_logger(__name__)


Look = Callable[[int, int], Awaitable[tuple[UUID, list[LoggedEvent]]]]
"""Reads a run's workspace and its events after a number, so many at most, once nothing is missed that follows."""
Show = Callable[[LoggedEvent], bool]
"""Shows a delta to the reader at once, or returns false, where it has to be yielded."""


def follow(
    bus: Bus, run_id: UUID, workspace_id: UUID, after: int = 0, max_hz: int = 30, show: Show | None = None
) -> AsyncGenerator[LoggedEvent, None]:
    """As `follow_found`, for a run that is known to be one of the workspace's."""

    async def look(after: int, limit: int) -> tuple[UUID, list[LoggedEvent]]:
        return workspace_id, await read(reading([workspace_id]), run_id, after, limit)

    return follow_found(bus, run_id, look, after, max_hz, show)


async def follow_found(
    bus: Bus, run_id: UUID, look: Look, after: int = 0, max_hz: int = 30, show: Show | None = None
) -> AsyncGenerator[LoggedEvent, None]:
    """The events of a run from number ``after`` + 1 to its last one, as they come. ``look`` finds the first ones.

    Adjacent deltas are merged, so that at most ``max_hz`` a second are yielded on average; the first one, what can't be
    merged with what follows it, and events of other kinds come at once, after all that went before them. The
    ``first_seq`` of each is the ``seq`` before it plus 1.
    A delta that comes while the reader waits for nothing else is first offered to ``show``, and yielded unless that
    takes it: nearly all are such, and to wake the reader costs more than all else that is done for them here.
    Closing the generator, or cancelling who waits for it, leaves nothing behind.

    Raises:
        ValidationFailed: ``after`` is negative or beyond the newest event. What ``look`` raises.
    """
    async with bus.subscribe(channel(run_id)) as subscription:
        pace = Pace(max_hz, asyncio.get_running_loop().time)
        tail = _Tail(bus, subscription, run_id, after, pace, show)
        if await tail.begin(look):
            return
        pending: list[LoggedEvent] = []
        while True:
            if not pending:
                extend(pending, await tail.next(may_show=True))
            await _gather(pending, tail, pace)
            event = pending.pop(0)
            if is_delta(event):
                pace.count()
            yield event
            if isinstance(event.body, RunFinished):
                return


async def _gather(pending: list[LoggedEvent], tail: "_Tail", pace: Pace) -> None:
    """Wait until the first of ``pending`` may be yielded, and merge what comes until then. A delta that others follow
    which can't be merged with it would gain nothing by waiting, and they would be ever more.
    """
    while len(pending) == 1 and is_delta(pending[0]):
        if pace.is_due and not tail.has_more:
            return
        more = await tail.next(pace.due)
        if not more:
            return
        extend(pending, more)


def poll_s(bus: Bus) -> float:
    """How long to wait for a hint before the log is read all the same."""
    if bus.healthy:
        return max(POLL_S, bus.subscriptions / MOST_POLLS_PER_S)
    return min(max(BLIND_POLL_S, bus.subscriptions / MOST_BLIND_POLLS_PER_S), POLL_S)


class _Tail:
    """What comes after a cursor, in order: from the bus where that goes on without a gap, otherwise from the log."""

    def __init__(
        self, bus: Bus, subscription: Subscription, run_id: UUID, cursor: int, pace: Pace, show: Show | None = None
    ) -> None:
        self._bus = bus
        self._subscription = subscription
        self._run_id = run_id
        # Finds what is the workspace's, once that is known.
        self._reader = reading(())
        self._cursor = cursor
        self._pace = pace
        self._show = show
        self._clock = asyncio.get_running_loop().time
        # What the log held when it was looked at first.
        self._unread: list[LoggedEvent] = []
        # Whether it may hold events after the cursor that no hint will bring.
        self._behind = True
        self._poll_at = math.inf
        # So that followers who lost their hints together do not read together.
        self._poll_factor = random.uniform(0.8, 1.2)

    async def begin(self, look: Look) -> bool:
        """Read what is there; true when nothing can come any more.

        Raises:
            ValidationFailed: the cursor is not within the log. What ``look`` raises.
        """
        page = await retried(lambda _again: self._look(look), GIVE_UP_S)
        self._behind = len(page) == PAGE_EVENTS
        here = page.pop(0) if page and page[0].seq == self._cursor else None
        if here is not None and isinstance(here.body, RunFinished):
            return True
        self._advance(page)
        self._unread = page
        return False

    async def _look(self, look: Look) -> list[LoggedEvent]:
        """A page that begins with the event at the cursor."""
        workspace_id, page = await look(max(self._cursor, 0) - 1, PAGE_EVENTS)
        self._reader = reading([workspace_id])
        if self._cursor < 0 or (not page and self._cursor > 0):
            newest = await last_seq(self._reader, self._run_id)
            raise ValidationFailed(f"after must be from 0 to {newest}, the newest event's number.", ("after",))
        return page

    @property
    def has_more(self) -> bool:
        """Whether `next` has something to look at, without waiting."""
        return bool(self._unread) or self._behind or self._subscription.has_more

    async def next(self, deadline: float = math.inf, *, may_show: bool = False) -> list[LoggedEvent]:
        """The events that come next; none, when there are none by ``deadline``. ``may_show``: but for those that are
        shown to the reader at once.
        """
        if self._unread:
            page, self._unread = self._unread, []
            return page
        while True:
            if self._behind and (page := await self._read_page()):
                return page
            poll_at = self._poll_at
            message = await self._subscription.get(min(deadline, poll_at), self._show_now if may_show else None)
            if message is None:
                if deadline <= poll_at:
                    return []
                # Unless something was shown meanwhile.
                self._behind = self._poll_at == poll_at
            elif fresh := self._take(message):
                return fresh

    def _show_now(self, message: Message) -> bool:
        """Show the reader what a message tells of, if that is the next delta, due now, and nothing else."""
        if self._show is None or not self._pace.is_due:
            return False
        try:
            events = decode_events(message)
            event = events[0]
            if len(events) > 1 or event.first_seq != self._cursor + 1 or not is_delta(event) or not self._show(event):
                return False
        except Exception:
            # It is taken the usual way then, where whatever is wrong with it is told of.
            return False
        self._pace.count()
        self._cursor = event.seq
        self._put_off_poll()
        return True

    def _take(self, message: Message | Missed) -> list[LoggedEvent]:
        """Those of the hinted events that come right after the cursor, which moves on behind them."""
        if isinstance(message, Missed):
            self._behind = True
            return []
        try:
            events = decode_events(message)
        except Undecodable as error:
            _log.warning("hint cannot be read", run_id=str(self._run_id), error=str(error))
            self._behind = True
            return []
        fresh = []
        for event in events:
            if event.first_seq == self._cursor + 1:
                fresh.append(event)
                self._cursor = event.seq
            elif event.seq > self._cursor:
                self._behind = True
                break
        if fresh:
            self._put_off_poll()
        return fresh

    async def _read_page(self) -> list[LoggedEvent]:
        page = await retried(lambda _again: self._read(self._cursor), GIVE_UP_S)
        self._behind = len(page) == PAGE_EVENTS
        self._advance(page)
        return page

    def _advance(self, page: list[LoggedEvent]) -> None:
        if page:
            self._cursor = page[-1].seq
        self._put_off_poll()

    async def _read(self, after: int) -> list[LoggedEvent]:
        return await read(self._reader, self._run_id, after, PAGE_EVENTS)

    def _put_off_poll(self) -> None:
        self._poll_at = self._clock() + poll_s(self._bus) * self._poll_factor

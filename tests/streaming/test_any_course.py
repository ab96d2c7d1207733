"""Whatever course a run takes, and whatever the bus does to its hints, all who follow it see the same."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain, repeat
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import RunLost
from core.events import (
    LoggedEvent,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    RunRewound,
    StepStarted,
    TextDelta,
    ToolCalled,
)
from core.ids import new_id
from models.runs import Run
from streaming import follow as following
from streaming.bus import Bus, MemoryBackend, Message
from streaming.deltas import extend
from streaming.event_log import EventLog
from streaming.follow import follow
from streaming.writer import RunWriter
from tests.streaming.runs import assert_dense, finish, make_run, opened, said, sha256_of, stored, take_over

pytestmark = pytest.mark.usefixtures("pool")


class Fate(Enum):
    """What becomes of a message."""

    ARRIVES = auto()
    IS_LOST = auto()
    ARRIVES_TWICE = auto()
    ARRIVES_AFTER_THE_NEXT = auto()
    IS_CUT_OFF = auto()


class UnreliableBus(Bus):
    """A bus on which each message suffers the next of ``fates``, and all that come later arrive."""

    def __init__(self, fates: list[Fate]) -> None:
        super().__init__(MemoryBackend())
        self._fates: Iterator[Fate] = chain(fates, repeat(Fate.ARRIVES))
        self._held_back: list[Message] = []

    async def publish_all(self, messages: Iterable[tuple[str, Message]]) -> None:
        for channel, message in messages:
            await self._suffer(channel, message)

    async def _suffer(self, channel: str, message: Message) -> None:
        arriving: list[Message] = []
        match next(self._fates):
            case Fate.ARRIVES:
                arriving = [message]
            case Fate.ARRIVES_TWICE:
                arriving = [message, message]
            case Fate.IS_CUT_OFF:
                arriving = [bytes(message)[:-3]]
            case Fate.ARRIVES_AFTER_THE_NEXT:
                self._held_back.append(message)
                return
        for late_or_not in (*arriving, *self._held_back):
            await super().publish_all([(channel, late_or_not)])
        self._held_back.clear()


@dataclass
class Course:
    """A run in progress, its steps so far, and its followers, each with the number it began after."""

    bus: Bus
    log: EventLog
    run: Run
    writer: RunWriter
    begun: dict[UUID, int] = field(default_factory=dict)
    followers: list[tuple[int, asyncio.Task[list[LoggedEvent]]]] = field(default_factory=list)

    def append(self, body: RunEventBody, step_id: UUID) -> None:
        if step_id not in self.begun:
            self.writer.append(StepStarted({}), step_id)
            self.begun[step_id] = self.writer.last_seq
        self.writer.append(body, step_id)

    def rewind(self, step_id: UUID) -> None:
        if step_id in self.begun:
            self.append(RunRewound(self.begun[step_id], attempt=2), step_id)

    async def change_hands(self) -> None:
        """Another process takes over, while the first one goes on writing for a while."""
        old, epoch = self.writer, await take_over(self.run)
        self.writer = await opened(self.log, self.run, epoch)
        with suppress(RunLost):
            old.append(TextDelta("never seen"))
        events = await stored(self.run)
        self.begun = {event.step_id: event.seq for event in events if event.step_id and event.body == StepStarted({})}

    async def join(self, share: float, max_hz: int, shows: float) -> None:
        """``shows``: with which probability what may be shown at once is."""
        after, random = round(share * len(await stored(self.run))), Random(max_hz)
        seen: list[LoggedEvent] = []

        def show(event: LoggedEvent) -> bool:
            is_shown = random.random() < shows
            if is_shown:
                seen.append(event)
            return is_shown

        async def see_all() -> list[LoggedEvent]:
            events = follow(self.bus, self.run.id, self.run.workspace_id, after, max_hz, show)
            async with asyncio.timeout(30), aclosing(events):
                async for event in events:
                    seen.append(event)
            return seen

        self.followers.append((after, asyncio.create_task(see_all())))


STEPS = st.sampled_from([new_id(), new_id()])
TEXTS = st.text(st.sampled_from("ab é😀\x00\ud83d"), min_size=1, max_size=4)
ACTIONS: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("append"), st.tuples(st.builds(TextDelta, TEXTS), STEPS)),
    st.tuples(st.just("append"), st.tuples(st.builds(TextDelta, TEXTS), STEPS)),
    st.tuples(st.just("append"), st.tuples(st.builds(ReasoningDelta, TEXTS), STEPS)),
    st.tuples(st.just("append"), st.tuples(st.just(ToolCalled("1", "search", {"q": [1.5, None]})), STEPS)),
    st.tuples(st.just("rewind"), st.tuples(STEPS)),
    st.tuples(st.just("flush"), st.just(())),
    st.tuples(st.just("sleep"), st.tuples(st.sampled_from([0, 0, 0.001, 0.005]))),
    st.tuples(st.just("join"), st.tuples(st.floats(0, 1), st.sampled_from([1, 30, 120]), st.sampled_from([0, 0.5, 1]))),
    st.tuples(st.just("change_hands"), st.just(())),
)


async def take(course: Course, action: str, arguments: tuple[Any, ...]) -> None:
    match action:
        case "append":
            course.append(*arguments)
        case "rewind":
            course.rewind(*arguments)
        case "flush":
            await course.writer.flush()
        case "sleep":
            await asyncio.sleep(*arguments)
        case "join":
            await course.join(*arguments)
        case "change_hands":
            await course.change_hands()


def merged(events: list[LoggedEvent]) -> list[LoggedEvent]:
    together: list[LoggedEvent] = []
    extend(together, events)
    return together


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=40), fates=st.lists(st.sampled_from(Fate), max_size=30))
async def test_all_followers_see_all_of_it(
    monkeypatch: pytest.MonkeyPatch, actions: list[tuple[str, Any]], fates: list[Fate]
) -> None:
    monkeypatch.setattr(following, "POLL_S", 0.05)
    monkeypatch.setattr(following, "PAGE_EVENTS", 3)
    run, bus = await make_run(), UnreliableBus(fates)
    async with bus, aclosing(EventLog(bus)) as log, asyncio.timeout(30):
        await log.start()
        course = Course(bus, log, run, await opened(log, run))
        await course.join(0, 30, shows=0.5)
        for action, arguments in actions:
            await take(course, action, arguments)
        last = await finish(bus, run, course.writer)
        everything = await stored(run)
        assert_dense(everything)
        assert everything[-1] == last
        assert isinstance(last.body, RunFinished)
        assert last.body.text_sha256 == sha256_of(said(everything))
        for after, following_task in course.followers:
            events = await following_task
            assert_dense(events, after)
            assert merged(events) == merged(everything[after:])
            assert said([*everything[:after], *events]) == said(everything)

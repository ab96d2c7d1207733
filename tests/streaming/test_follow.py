"""Following runs: every event once and in order, whenever one joins, however slowly one reads, whatever gets lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from itertools import pairwise
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.errors import ValidationFailed
from core.events import LoggedEvent, ReasoningDelta, RunFinished, RunStarted, StepStarted, TextDelta, ToolCalled
from models.database import open_connection, reading, transaction
from models.runs import Run
from streaming import follow as following
from streaming.bus import Bus
from streaming.event_log import EventLog
from streaming.follow import Look, follow, follow_found
from streaming.log import channel, publish, read
from streaming.pace import Pace
from streaming.writer import RunWriter
from tests.servers.redis import RedisServer
from tests.streaming.runs import (
    assert_dense,
    bodies,
    collect,
    finish,
    insert_events,
    opened,
    said,
    sha256_of,
    stored,
    take_over,
)
from tests.streaming.waiting import eventually

pytestmark = pytest.mark.usefixtures("pool")

STEP = uuid4()
# So often that a delta is due whenever it comes.
ALWAYS = 1_000_000


@pytest.fixture
async def log(bus: Bus) -> AsyncIterator[EventLog]:
    log = EventLog(bus)
    await log.start()
    yield log
    await log.aclose()


@pytest.fixture
async def writer(log: EventLog, run: Run) -> RunWriter:
    return await opened(log, run)


async def insert_words(run: Run, count: int, first_seq: int = 2) -> str:
    """Log that many deltas, behind the bus's back; what they say."""
    words = [f"{number} " for number in range(count)]
    events = [
        LoggedEvent(run.id, seq, seq, datetime.now(UTC), STEP, TextDelta(word))
        for seq, word in enumerate(words, first_seq)
    ]
    async with transaction([run.workspace_id]) as connection:
        await insert_events(connection, run.workspace_id, events)
    return "".join(words)


async def gone(tasks: set[asyncio.Task[Any]]) -> None:
    """These tasks end by themselves; the driver's may take a moment to cancel a statement."""
    if tasks:
        await asyncio.wait(tasks, timeout=5)
    assert all(task.done() for task in tasks)


async def test_a_live_run_is_seen_from_its_first_event_to_its_last(bus: Bus, run: Run, writer: RunWriter) -> None:
    reading = asyncio.create_task(collect(follow(bus, run.id, run.workspace_id)))
    for body in (StepStarted({}), TextDelta("Hel"), TextDelta("lo"), ToolCalled("1", "search", {})):
        writer.append(body, STEP)
        await writer.flush()
    await finish(bus, run, writer)
    events = await reading
    assert_dense(events)
    assert said(events) == "Hello"
    assert bodies(events)[-1] == RunFinished({"status": "SUCCEEDED"}, sha256_of("Hello"))


async def test_a_late_joiner_gets_one_delta_for_thousands(bus: Bus, log: EventLog, run: Run) -> None:
    text = await insert_words(run, 2500)
    writer = await opened(log, run, await take_over(run))
    await finish(bus, run, writer)
    events = await collect(follow(bus, run.id, run.workspace_id))
    assert_dense(events)
    assert [type(body) for body in bodies(events)] == [RunStarted, TextDelta, RunFinished]
    assert said(events) == text
    assert (events[1].first_seq, events[1].seq) == (2, 2501)


async def test_any_cursor_gives_the_rest(bus: Bus, log: EventLog, run: Run) -> None:
    await insert_words(run, 10)
    writer = await opened(log, run, await take_over(run))
    await finish(bus, run, writer)
    everything = await stored(run)
    for after in range(len(everything) + 1):
        rest = await collect(follow(bus, run.id, run.workspace_id, after))
        assert_dense(rest, after)
        assert said([*everything[:after], *rest]) == said(everything)
        assert bool(rest) == (after < len(everything))


@pytest.mark.parametrize("after", [-1, 2])
async def test_a_cursor_outside_the_log_is_refused(bus: Bus, run: Run, after: int) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await collect(follow(bus, run.id, run.workspace_id, after))
    assert refusal.value.path == ("after",)
    assert not bus._subscriptions


async def test_a_word_arrives_before_the_next_is_said(
    bus: Bus, run: Run, writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 60)
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(10):
        for seq, word in enumerate(("one", "two", "three"), 2):
            writer.append(TextDelta(word), STEP)
            event = await anext(events)
            assert (event.seq, event.body) == (seq, TextDelta(word))


async def test_deltas_come_no_faster_than_asked_for(bus: Bus, run: Run, writer: RunWriter) -> None:
    arrivals = []

    async def read() -> str:
        events = []
        async for event in follow(bus, run.id, run.workspace_id, after=1, max_hz=10):
            events.append(event)
            arrivals.append(monotonic())
        return said(events)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    for number in range(60):
        writer.append(TextDelta(f"{number} "), STEP)
        await asyncio.sleep(0.01)
    await finish(bus, run, writer)
    assert await reading == "".join(f"{number} " for number in range(60))
    *deltas, _last_delta, _finish = arrivals
    pauses = [later - earlier for earlier, later in pairwise(deltas)]
    assert len(deltas) > 3
    assert min(pauses) > 0.07, "a delta may be early by some milliseconds"
    assert deltas[-1] - deltas[0] > 0.1 * len(pauses) - 0.02, "but not one and then the next"


async def test_only_deltas_wait_and_not_the_first(bus: Bus, run: Run, writer: RunWriter) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1, max_hz=1)) as events, asyncio.timeout(10):
        begun_at = monotonic()
        writer.append(TextDelta("first"), STEP)
        assert (await anext(events)).body == TextDelta("first")
        first_at = monotonic()
        assert first_at - begun_at < 1
        for word in ("held ", "back"):
            writer.append(TextDelta(word), STEP)
            await writer.flush()
        writer.append(ToolCalled("1", "search", {}), STEP)
        appended_at = monotonic()
        assert (await anext(events)).body == TextDelta("held back")
        assert (await anext(events)).body == ToolCalled("1", "search", {})
        assert monotonic() - first_at < 1 or appended_at - first_at > 0.5  # too busy a machine to tell


async def test_the_log_is_left_alone_when_a_delta_is_due(bus: Bus, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bus.subscribe(channel(run.id)) as subscription:
        tail = following._Tail(bus, subscription, run.id, 0, Pace(30, monotonic))

        look, _joined = joining(run)
        await tail.begin(look)
        assert [event.seq for event in await tail.next()] == [1]
        monkeypatch.setattr(following, "read", None)
        # Timers go off a little ahead of the clock.
        monkeypatch.setattr(tail, "_clock", lambda: 0.0)
        assert await tail.next(asyncio.get_running_loop().time() + 0.01) == []


async def test_a_slow_reader_gets_fewer_and_longer_deltas(bus: Bus, run: Run, writer: RunWriter) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events:
        writer.append(TextDelta("first "), STEP)
        received = [await anext(events)]
        for number in range(600):  # more messages than the bus keeps
            writer.append(TextDelta(f"{number} "), STEP)
            await writer.flush()
        await finish(bus, run, writer)
        received += [event async for event in events]
    assert_dense(received, after=1)
    assert len(received) == 3
    assert sha256_of(said(received)) == writer.text_sha256()


async def test_deltas_that_cannot_be_merged_do_not_pile_up(bus: Bus, run: Run, writer: RunWriter) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1, max_hz=1)) as events, asyncio.timeout(20):
        for number in range(60):
            writer.append(TextDelta(f"{number} ") if number % 2 else ReasoningDelta(f"{number}?"), STEP)
            await writer.flush()
        received = [await anext(events) for _ in range(60)]
    assert_dense(received, after=1)


async def test_no_delta_grows_without_bound(bus: Bus, log: EventLog, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.deltas.MAX_MERGED_CHARS", 1000)
    text = await insert_words(run, 2500)
    writer = await opened(log, run, await take_over(run))
    await finish(bus, run, writer)
    events = await collect(follow(bus, run.id, run.workspace_id, max_hz=120))
    assert_dense(events)
    assert said(events) == text
    assert max(len(event.body.text) for event in events if isinstance(event.body, TextDelta)) <= 1000


async def test_a_closed_stream_leaves_nothing_behind(bus: Bus, run: Run) -> None:
    tasks = asyncio.all_tasks()
    events = follow(bus, run.id, run.workspace_id)
    await anext(events)
    await events.aclose()
    await gone(asyncio.all_tasks() - tasks)
    assert not bus._subscriptions


async def test_a_cancelled_reader_leaves_nothing_behind(bus: Bus, run: Run) -> None:
    tasks = asyncio.all_tasks()
    reading = asyncio.create_task(collect(follow(bus, run.id, run.workspace_id)))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await gone(asyncio.all_tasks() - tasks)
    assert not bus._subscriptions


async def test_hints_lost_without_notice_are_made_up_for(bus: Bus, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_S", 0.1)
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        text = await insert_words(run, 5)
        assert (await waiting).body == TextDelta(text)


async def test_a_hint_that_cannot_be_read_means_reading_the_log(bus: Bus, run: Run) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(4):
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        text = await insert_words(run, 5)
        await bus.publish(channel(run.id), b"\xffnonsense")
        assert (await waiting).body == TextDelta(text)


async def test_a_gap_means_reading_the_log(bus: Bus, run: Run) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(4):
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        text = await insert_words(run, 5)
        await publish(bus, (await stored(run))[-1:])
        assert (await waiting).body == TextDelta(text)


async def test_hints_of_what_was_seen_already_are_passed_over(bus: Bus, run: Run) -> None:
    async with aclosing(follow(bus, run.id, run.workspace_id)) as events, asyncio.timeout(4):
        await anext(events)
        await insert_words(run, 3)
        for hint in (1, 3, 2, 1, 2, 3):
            await publish(bus, (await stored(run))[hint : hint + 1])
        seen = await anext(events)
        # Through Redis, some may come when others have been told of already.
        while seen.seq < 4:
            before, seen = seen, await anext(events)
            assert seen.first_seq == before.seq + 1
        assert seen.seq == 4
        await insert_words(run, 1, first_seq=5)
        await publish(bus, (await stored(run))[4:5])
        assert (await anext(events)).first_seq == 5


async def test_a_killed_connection_ends_no_stream(bus: Bus, run: Run, writer: RunWriter, database_url: str) -> None:
    reading = asyncio.create_task(collect(follow(bus, run.id, run.workspace_id)))
    admin = await open_connection(database_url)
    for number in range(100):
        writer.append(TextDelta(f"{number} "), STEP)
        await asyncio.sleep(0.001)
        if number % 20 == 0:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'synapse' AND pid <> pg_backend_pid()"
            )
            await bus.publish(channel(run.id), b"nonsense")
    await admin.close()
    await writer.flush()
    await finish(bus, run, writer)
    events = await reading
    assert_dense(events)
    assert sha256_of(said(events)) == writer.text_sha256()


async def test_a_redis_restart_loses_nothing(run: Run, fragile_redis: RedisServer) -> None:
    publisher, subscriber = Bus.from_url(fragile_redis.url), Bus.from_url(fragile_redis.url)
    async with publisher, subscriber, aclosing(EventLog(publisher)) as log:
        await log.start()
        writer = await opened(log, run)
        reading = asyncio.create_task(collect(follow(subscriber, run.id, run.workspace_id)))
        for number in range(100):
            writer.append(TextDelta(f"{number} "), STEP)
            await asyncio.sleep(0.005)
            if number == 50:
                await asyncio.to_thread(fragile_redis.restart)
        await finish(publisher, run, writer)
        events = await reading
    assert_dense(events)
    assert sha256_of(said(events)) == writer.text_sha256()


async def test_what_happened_while_redis_was_away_is_shown_once_it_is_back(
    run: Run, fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 60)
    bus = Bus.from_url(fragile_redis.url)
    async with bus, aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(fragile_redis.kill)
        text = await insert_words(run, 5)
        await asyncio.to_thread(fragile_redis.start)
        assert (await waiting).body == TextDelta(text)


async def test_a_run_is_followed_while_redis_is_away(
    run: Run, fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 600)
    bus = Bus.from_url(fragile_redis.url)
    async with bus, aclosing(follow(bus, run.id, run.workspace_id, after=1)) as events, asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(fragile_redis.kill)
        text = await insert_words(run, 5)
        assert (await waiting).body == TextDelta(text)
        for first_seq in (7, 12):
            text = await insert_words(run, 5, first_seq)
            assert (await anext(events)).body == TextDelta(text)


async def test_thousands_who_wait_in_silence_do_not_keep_the_database_busy(bus: Bus) -> None:
    async with AsyncExitStack() as stack:
        for number in range(2000):
            await stack.enter_async_context(bus.subscribe(f"run:{number % 500}"))
        assert following.poll_s(bus) == 2000 / following.MOST_POLLS_PER_S
    assert following.poll_s(bus) == following.POLL_S


async def test_many_followers_do_not_overrun_the_database_while_redis_is_away(fragile_redis: RedisServer) -> None:
    bus = Bus.from_url(fragile_redis.url)
    async with bus, AsyncExitStack() as stack:
        for number in range(400):
            await stack.enter_async_context(bus.subscribe(f"run:{number}"))
        assert following.poll_s(bus) == following.POLL_S
        await asyncio.to_thread(fragile_redis.kill)
        async with asyncio.timeout(10):
            while bus.healthy:  # noqa: ASYNC110  # another process's state
                await asyncio.sleep(0.01)
        assert bus.subscriptions / following.poll_s(bus) <= following.MOST_BLIND_POLLS_PER_S


async def test_what_comes_to_a_reader_who_waits_may_be_shown_without_waking_them(
    bus: Bus, run: Run, writer: RunWriter
) -> None:
    shown: list[LoggedEvent] = []

    def show(event: LoggedEvent) -> bool:
        shown.append(event)
        return True

    look, joined = joining(run)
    events = follow_found(bus, run.id, look, after=1, max_hz=ALWAYS, show=show)
    async with aclosing(events), asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(events))
        await joined.wait()
        words = [f"{number} " for number in range(20)]
        for word in words:
            writer.append(TextDelta(word), STEP)
            await writer.flush()
            await asyncio.sleep(0.01)
        await eventually(lambda: said(shown) == "".join(words))
        assert_dense(shown, 1)
        assert not waiting.done()
        writer.append(ToolCalled("1", "search", {}), STEP)
        assert (await waiting).body == ToolCalled("1", "search", {})


async def test_a_delta_that_is_shown_puts_off_the_next(bus: Bus, run: Run, writer: RunWriter) -> None:
    shown_at: list[float] = []

    def show(event: LoggedEvent) -> bool:
        shown_at.append(monotonic())
        return True

    look, joined = joining(run)
    events = follow_found(bus, run.id, look, after=1, max_hz=1, show=show)
    async with aclosing(events), asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(events))
        await joined.wait()
        for word in ("one ", "two ", "three "):
            writer.append(TextDelta(word), STEP)
            await writer.flush()
        event = await waiting
        assert event.body == TextDelta("two three ")
        assert len(shown_at) == 1
        assert monotonic() - shown_at[0] > 0.9


async def test_who_is_shown_all_there_is_does_not_read_the_log(
    bus: Bus, run: Run, writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 2.0)
    shown_at: list[float] = []
    reads = 0

    def show(event: LoggedEvent) -> bool:
        shown_at.append(monotonic())
        return True

    async def count(*_: Any) -> list[LoggedEvent]:
        nonlocal reads
        reads += 1
        return []

    look, joined = joining(run)
    # What is not shown, for coming just as the follower wakes up for another reason, it yields.
    reading = asyncio.create_task(collect(follow_found(bus, run.id, look, after=1, max_hz=ALWAYS, show=show)))
    await joined.wait()
    monkeypatch.setattr(following, "read", count)
    for _ in range(60):
        writer.append(TextDelta("a word "), STEP)
        await asyncio.sleep(0.05)
    pauses = [later - earlier for earlier, later in pairwise(shown_at)]
    assert reads == 0 or max(pauses) > 1.5  # where the machine stood still
    reads = 0
    await eventually(lambda: reads > 0)  # it is silence that has the log read
    reading.cancel()
    await asyncio.wait([reading])


def joining(run: Run) -> tuple[Look, asyncio.Event]:
    """How a follower reads what is there first, and what is set once it has, and waits for what comes then."""
    joined = asyncio.Event()

    async def look(after: int, limit: int) -> tuple[UUID, list[LoggedEvent]]:
        page = await read(reading([run.workspace_id]), run.id, after, limit)
        joined.set()
        return run.workspace_id, page

    return look, joined

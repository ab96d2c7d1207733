"""Writing a run's events: gathered, fenced, and stored in spite of a database that comes and goes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from core.errors import LogUnavailable, RunLost, Unstorable
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
from core.ticks import TICK_S
from models import database
from models.database import open_connection, transaction
from models.runs import Run
from streaming import event_log
from streaming.bus import Bus
from streaming.codec import EventsMessage, decode_events
from streaming.event_log import EventLog
from streaming.log import Ownership, channel, insert_owned
from streaming.writer import ROOM_CHARS
from tests.servers.postgres_proxy import PostgresProxy
from tests.servers.redis import RedisServer
from tests.streaming.runs import (
    assert_dense,
    bodies,
    insert_events,
    make_run,
    opened,
    said,
    sha256_of,
    stored,
    take_over,
)

pytestmark = pytest.mark.usefixtures("pool")

STEP, OTHER_STEP = uuid4(), uuid4()
INSERT_RIVAL = """
INSERT INTO run_events (run_id, seq, first_seq, workspace_id, type, payload, at)
VALUES ($1, 2, 2, $2, 'TextDelta', '{"text": "never seen"}', now())
"""
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'synapse' AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def log(memory_bus: Bus) -> AsyncIterator[EventLog]:
    log = EventLog(memory_bus)
    await log.start()
    yield log
    await log.aclose()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[PostgresProxy]:
    """The pool's connections go through it."""
    await database.close()
    async with PostgresProxy(database_url) as proxy:
        await database.connect(proxy.url, pool_size=5)
        yield proxy
        await database.close()
    await database.connect(database_url, pool_size=10)


@asynccontextmanager
async def locked(database_url: str, run: Run) -> AsyncIterator[None]:
    """Somebody else has locked the run."""
    connection = await open_connection(database_url)
    async with connection.transaction():
        await connection.execute("SELECT FROM runs WHERE id = $1 FOR UPDATE", run.id)
        yield
    await connection.close()


async def test_what_is_flushed_is_stored_in_order(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    appended: list[RunEventBody] = [
        StepStarted({"name": "m"}),
        ReasoningDelta("Hm."),
        TextDelta("Hi"),
        ToolCalled("1", "search", {"q": 1}),
    ]
    for body in appended:
        writer.append(body, STEP)
    assert writer.last_seq == 5
    await writer.flush()
    events = await stored(run)
    assert_dense(events)
    assert bodies(events)[1:] == appended
    assert {event.step_id for event in events[1:]} == {STEP}


async def test_the_first_word_goes_out_at_once_and_what_comes_meanwhile_goes_together(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    writer.append(TextDelta("a"), STEP)
    await asyncio.sleep(0)
    for char in "bcd":
        writer.append(TextDelta(char), STEP)
    await writer.flush()
    assert bodies(await stored(run))[1:] == [TextDelta("a"), TextDelta("bcd")]


async def test_what_came_at_once_is_stored_as_if_it_had_come_one_by_one(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    said: list[RunEventBody] = [
        ReasoningDelta("Hm"),
        ReasoningDelta("."),
        TextDelta("a\x00"),
        TextDelta("b"),
        ToolCalled("1", "search", {"q": 1}),
        ToolCalled("2", "search", {"q": 2}),
        TextDelta("c"),
    ]
    writer.extend(said, STEP)
    writer.extend([TextDelta("d")], STEP)
    writer.extend([], STEP)
    together = writer.text_sha256()
    await writer.flush()
    expected = [ReasoningDelta("Hm."), TextDelta("a\ufffdb"), *said[4:6], TextDelta("cd")]
    assert bodies(await stored(run))[1:] == expected
    assert together == sha256_of("a\ufffdbcd")


async def test_deltas_of_other_steps_or_kinds_are_not_mixed(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    writer.append(TextDelta("a"), STEP)
    writer.append(TextDelta("b"), OTHER_STEP)
    writer.append(ReasoningDelta("c"), OTHER_STEP)
    writer.append(ReasoningDelta("d"), OTHER_STEP)
    await writer.flush()
    assert bodies(await stored(run))[1:] == [TextDelta("a"), TextDelta("b"), ReasoningDelta("cd")]


async def test_nobody_is_told_before_the_commit(memory_bus: Bus, log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    async with memory_bus.subscribe(channel(run.id)) as subscription, asyncio.timeout(10):
        writer.append(TextDelta("Hi"), STEP)
        message = await subscription.get()
        assert isinstance(message, EventsMessage)
        assert decode_events(message) == (await stored(run))[1:]


async def test_runs_of_several_workspaces_share_a_statement(log: EventLog, database_url: str) -> None:
    runs = [await make_run() for _ in range(20)]
    writers = [await opened(log, run) for run in runs]
    for number, writer in enumerate(writers):
        writer.append(TextDelta(f"run {number}"), STEP)
    await asyncio.gather(*(writer.flush() for writer in writers))
    connection = await open_connection(database_url)
    transactions = await connection.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM run_events WHERE run_id = ANY($1) AND seq = 2", [run.id for run in runs]
    )
    await connection.close()
    assert transactions == 1
    assert [said(await stored(run)) for run in runs] == [f"run {number}" for number in range(20)]


async def test_who_lost_the_run_learns_it_and_writes_nothing(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    writer.append(TextDelta("before"), STEP)
    await writer.flush()
    await take_over(run)
    writer.append(TextDelta("after"), STEP)
    with pytest.raises(RunLost):
        await writer.flush()
    for stopped in (writer.flush, writer.room):
        with pytest.raises(RunLost):
            await stopped()
    with pytest.raises(RunLost):
        writer.append(TextDelta("much later"), STEP)
    assert said(await stored(run)) == "before"


async def test_the_loss_of_one_run_does_not_concern_the_others(log: EventLog, run: Run) -> None:
    lost = await opened(log, run)
    other_run = await make_run()
    other = await opened(log, other_run)
    await take_over(run)
    for writer in (lost, other):
        writer.append(TextDelta("Hi"), STEP)
    await other.flush()
    with pytest.raises(RunLost):
        await lost.flush()
    assert said(await stored(other_run)) == "Hi"
    assert len(await stored(run)) == 1


async def test_two_epochs_of_one_run_in_one_process_are_told_apart(log: EventLog, run: Run) -> None:
    old = await opened(log, run)
    new = await opened(log, run, await take_over(run))
    old.append(TextDelta("old"), STEP)
    new.append(TextDelta("new"), STEP)
    await new.flush()
    with pytest.raises(RunLost):
        await old.flush()
    assert said(await stored(run)) == "new"


@pytest.fixture
def inserts(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[list[RunEventBody]]":
    """What each insert has written."""
    written: asyncio.Queue[list[RunEventBody]] = asyncio.Queue()

    async def noted(
        batch: Sequence[tuple[LoggedEvent, int]], workspace_ids: Iterable[UUID], **options: bool
    ) -> set[Ownership]:
        written.put_nowait([event.body for event, _ in batch])
        return await insert_owned(batch, workspace_ids, **options)

    monkeypatch.setattr("streaming.event_log.insert_owned", noted)
    return written


async def test_an_idle_log_stores_at_once_and_a_busy_one_what_was_gathered(
    log: EventLog, inserts: "asyncio.Queue[list[RunEventBody]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    # The nearest tick may be half of one earlier.
    monkeypatch.setattr("streaming.event_log.GATHER_S", 1.5 + TICK_S / 2)
    one, other = [await opened(log, await make_run()) for _ in range(2)]
    now = asyncio.get_running_loop().time
    async with asyncio.timeout(10):
        began = now()
        one.append(TextDelta("First. "), STEP)
        assert await inserts.get() == [TextDelta("First. ")]
        # Nor do another's first words wait.
        other.append(TextDelta("First. "), OTHER_STEP)
        assert await inserts.get() == [TextDelta("First. ")]
        assert now() - began < 1.5
        for word in ("one ", "by ", "one"):
            one.append(TextDelta(word), STEP)
            other.append(TextDelta(word), OTHER_STEP)
            await asyncio.sleep(0.02)
        assert await inserts.get() == [TextDelta("one by one")] * 2
        assert now() - began >= 1.5


async def test_who_waits_for_what_is_stored_waits_for_nothing_else(
    log: EventLog, inserts: "asyncio.Queue[list[RunEventBody]]", monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr("streaming.event_log.GATHER_S", 60.0)
    writer = await opened(log, run)
    async with asyncio.timeout(10):
        for word in ("a", "b", "c"):
            writer.append(TextDelta(word), STEP)
            await writer.flush()
            assert await inserts.get() == [TextDelta(word)]


async def test_who_takes_over_goes_on_where_the_log_ends(log: EventLog, run: Run) -> None:
    dead = await opened(log, run)
    dead.append(TextDelta("First. "), OTHER_STEP)
    dead.append(StepStarted({}), STEP)
    begun_at = dead.last_seq
    for word in ("Lost ", "words."):
        dead.append(TextDelta(word), STEP)
        await dead.flush()
    writer = await opened(log, run, await take_over(run))
    assert writer.text_sha256() == dead.text_sha256() == sha256_of("First. Lost words.")
    writer.append(RunRewound(begun_at, attempt=2), STEP)
    writer.append(TextDelta("Second."), STEP)
    await writer.flush()
    events = await stored(run)
    assert_dense(events)
    assert writer.text_sha256() == sha256_of(said(events)) == sha256_of("First. Second.")
    assert writer.text.of_step(STEP) == "Second."


async def test_the_last_event_comes_right_after_all_others(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    writer.append(TextDelta("Hi"), STEP)
    with pytest.raises(RuntimeError, match="Flush first"):
        writer.next_event(RunFinished({}, ""))
    await writer.flush()
    last = writer.next_event(RunFinished({}, writer.text_sha256()))
    assert (last.first_seq, last.seq, last.run_id) == (3, 3, run.id)


async def test_the_writer_goes_on_after_what_its_owner_stored_itself(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    event = writer.next_event(TextDelta("stored elsewhere, "), STEP)
    async with transaction([run.workspace_id]) as connection:
        await insert_events(connection, run.workspace_id, [event])
    writer.adopt(event)
    writer.append(TextDelta("appended"), STEP)
    await writer.flush()
    events = await stored(run)
    assert_dense(events)
    assert writer.text_sha256() == sha256_of(said(events)) == sha256_of("stored elsewhere, appended")


async def test_what_postgresql_cannot_store_costs_no_answer(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    writer.append(TextDelta("a\x00b\ud800c"), STEP)
    writer.append(ToolCalled("1", "search", {"q\x00": "\x00"}), STEP)
    await writer.flush()
    events = await stored(run)
    assert said(events) == "a\ufffdb\ufffdc"
    assert writer.text_sha256() == sha256_of(said(events))


async def test_what_the_log_cannot_hold_is_told_from_a_database_that_is_away(log: EventLog, run: Run) -> None:
    writer, innocent = await opened(log, run), await opened(log, await make_run())
    # As deep as an event may be by itself, and not in a list with others.
    writer.append(ToolCalled("1", "search", json.loads("[" * 253 + "]" * 253)), STEP)
    innocent.append(TextDelta("Hi"), STEP)
    async with asyncio.timeout(20):
        await innocent.flush()
        with pytest.raises(Unstorable):
            await writer.flush()


async def test_what_cannot_be_told_of_is_stored_all_the_same(redis_server: RedisServer, run: Run) -> None:
    bus = Bus.from_url(redis_server.url)
    async with bus:
        log = EventLog(bus)
        await log.start()
        writer, innocent = await opened(log, run), await opened(log, await make_run())
        writer.append(ToolCalled("1", "search", json.loads("[" * 251 + "]" * 251)), STEP)
        innocent.append(TextDelta("Hi"), STEP)
        async with asyncio.timeout(20):
            await asyncio.gather(writer.flush(), innocent.flush())
            writer.append(TextDelta("Found."), STEP)
            await writer.flush()
            await log.aclose()
    assert said(await stored(run)) == "Found."


async def test_what_json_cannot_say_is_refused_at_once(log: EventLog, run: Run) -> None:
    writer = await opened(log, run)
    with pytest.raises(TypeError):
        writer.append(ToolCalled("1", "search", {"n": 10**30}), STEP)
    writer.append(TextDelta("Hi"), STEP)
    await writer.flush()
    assert_dense(await stored(run))


async def test_a_run_that_cannot_be_stored_does_not_concern_the_others(log: EventLog, run: Run) -> None:
    other_run = await make_run()
    broken = await opened(log, run)
    sound = await opened(log, other_run)
    async with transaction([run.workspace_id]) as connection:
        await insert_events(connection, run.workspace_id, [broken.next_event(TextDelta("not the writer's"))])
    for writer in (broken, sound):
        writer.append(TextDelta("Hi"), STEP)
    await sound.flush()
    with pytest.raises(LogUnavailable):
        await broken.flush()
    assert said(await stored(other_run)) == "Hi"
    assert said(await stored(run)) == "not the writer's"


async def test_a_locked_run_holds_up_nobody_else(log: EventLog, run: Run, database_url: str) -> None:
    other_run = await make_run()
    waiting = await opened(log, run)
    other = await opened(log, other_run)
    async with locked(database_url, run), asyncio.timeout(5):
        for word in ("one ", "two ", "three"):
            waiting.append(TextDelta(word), STEP)
            other.append(TextDelta(word), STEP)
            await other.flush()
        assert len(await stored(run)) == 1
    await waiting.flush()
    assert_dense(await stored(run))
    assert said(await stored(run)) == said(await stored(other_run)) == "one two three"


async def test_who_appends_faster_than_can_be_stored_is_held_up(log: EventLog, run: Run, database_url: str) -> None:
    writer = await opened(log, run)
    async with locked(database_url, run):
        for _ in range(2):
            writer.append(TextDelta("x" * ROOM_CHARS), STEP)
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await writer.room()
    await writer.room()
    await writer.flush()
    assert len(said(await stored(run))) == 2 * ROOM_CHARS


async def test_a_log_started_in_a_transaction_does_not_write_in_it(memory_bus: Bus, run: Run) -> None:
    log = EventLog(memory_bus)
    async with transaction([run.workspace_id]):
        await log.start()
    writer = await opened(log, run)
    writer.append(TextDelta("Hi"), STEP)
    await writer.flush()
    await log.aclose()
    assert said(await stored(run)) == "Hi"


async def test_closing_stores_what_is_pending_and_leaves_no_task(memory_bus: Bus, run: Run) -> None:
    tasks = asyncio.all_tasks()
    log = EventLog(memory_bus)
    await log.start()
    writer = await opened(log, run)
    writer.append(TextDelta("Hi"), STEP)
    await log.aclose()
    assert said(await stored(run)) == "Hi"
    assert asyncio.all_tasks() == tasks


async def test_killed_connections_lose_and_double_nothing(log: EventLog, run: Run, database_url: str) -> None:
    writer = await opened(log, run)
    admin = await open_connection(database_url)
    words = [f"{number} " for number in range(300)]
    kills = 0
    for number, word in enumerate(words):
        writer.append(TextDelta(word), STEP)
        await asyncio.sleep(0.001)
        if number % 30 == 0:
            kills += len(await admin.fetch(TERMINATE))
    await writer.flush()
    await admin.close()
    events = await stored(run)
    assert kills > 0
    assert_dense(events)
    assert said(events) == "".join(words)


async def test_a_commit_whose_answer_got_lost_is_not_repeated(log: EventLog, run: Run, proxy: PostgresProxy) -> None:
    writer = await opened(log, run)
    proxy.lose_answer_to("once")
    writer.append(TextDelta("once"), STEP)
    await asyncio.sleep(0)
    writer.append(TextDelta(" more"), STEP)
    await writer.flush()
    assert proxy.has_lost_answer
    assert bodies(await stored(run))[1:] == [TextDelta("once"), TextDelta(" more")]


async def test_a_database_that_is_away_a_moment_is_waited_for(log: EventLog, run: Run, proxy: PostgresProxy) -> None:
    writer = await opened(log, run)
    await proxy.close()
    writer.append(TextDelta("Hi"), STEP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await writer.flush()
    await proxy.open()
    await writer.flush()
    assert said(await stored(run)) == "Hi"


async def test_a_database_that_stays_away_fails_the_writers(memory_bus: Bus, run: Run, proxy: PostgresProxy) -> None:
    log = EventLog(memory_bus, give_up_s=0.2)
    await log.start()
    writers = [await opened(log, run), await opened(log, run)]
    await proxy.close()
    for writer in writers:
        writer.append(TextDelta("Hi"), STEP)
    for writer in writers:
        with pytest.raises(LogUnavailable) as failure:
            await writer.flush()
        assert isinstance(failure.value.__cause__, OSError)
        with pytest.raises(LogUnavailable):
            writer.append(TextDelta("Hi again"), STEP)
    await proxy.open()
    await log.aclose()
    assert len(await stored(run)) == 1


async def test_who_is_stored_slowly_holds_up_no_other(log: EventLog, run: Run, database_url: str) -> None:
    slow, quick = await opened(log, run), await opened(log, await make_run())
    # Whoever writes an event of the same number waits for this one to be gone, or to stay.
    connection = await open_connection(database_url)
    undone = connection.transaction()
    await undone.start()
    await connection.execute(INSERT_RIVAL, run.id, run.workspace_id)
    slow.append(TextDelta("slow"), STEP)
    await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        for word in ("quick", " and", " quicker"):
            quick.append(TextDelta(word), STEP)
            await quick.flush()
    assert [event.seq for event in await stored(run)] == [1]
    await undone.rollback()
    await connection.close()
    await slow.flush()
    assert bodies(await stored(run))[1:] == [TextDelta("slow")]


async def test_there_is_room_for_text_until_too_much_waits(
    log: EventLog, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await opened(log, run)
    assert not writer.has_room, "the first words of one of few runs are waited for"
    writer.append(TextDelta("first"), STEP)
    assert not writer.has_room
    await writer.flush()
    assert writer.has_room
    writer.append(TextDelta("x" * ROOM_CHARS), STEP)
    assert not writer.has_room
    await writer.flush()
    monkeypatch.setattr(event_log, "FEW_STREAMS", 0)
    one_of_many = await opened(log, await make_run())
    assert one_of_many.has_room
    await take_over(run)
    writer.append(TextDelta("lost"), STEP)
    with pytest.raises(RunLost):
        await writer.flush()
    assert not writer.has_room


async def test_many_runs_at_once_stay_whole(log: EventLog) -> None:
    async def work(number: int) -> None:
        run = await make_run()
        writer = await opened(log, run)
        words = [f"{number}.{word} " for word in range(100)]
        for word in words:
            writer.append(TextDelta(word), STEP)
            await writer.room()
            await asyncio.sleep(0)
        await writer.flush()
        events = await stored(run)
        assert_dense(events)
        assert said(events) == "".join(words)

    await asyncio.gather(*(work(number) for number in range(20)))

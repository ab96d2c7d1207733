"""The log's table: what is written in it, and under which conditions."""

import asyncio
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.events import LoggedEvent, RunEventBody, RunRewound, StepStarted, TextDelta
from core.ids import new_id
from models.database import IntegrityError, fetch, open_connection, reading, transaction
from models.runs import Run
from models.standing import SessionConnection
from streaming.bus import Bus, Missed
from streaming.codec import decode_events, storable
from streaming.log import channel, insert_owned, last_seq, publish, read, read_with_run, standing_text
from tests.engine.lab import until
from tests.streaming.runs import insert_events, make_run, sha256_of, stored, take_over
from tests.streaming.test_codec import BODIES

pytestmark = pytest.mark.usefixtures("pool")

WAITING = """
SELECT count(DISTINCT pid) AS waiting FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""


def event(run: Run, seq: int, body: RunEventBody | None = None) -> LoggedEvent:
    return LoggedEvent(run.id, seq, seq, datetime.now(UTC), run.agent_id, body or TextDelta(f"{seq} "))


async def insert(run: Run, *events: LoggedEvent) -> None:
    async with transaction([run.workspace_id]) as connection:
        await insert_events(connection, run.workspace_id, events)


async def insert_at_epoch(run: Run, epoch: int, *events: LoggedEvent, in_doubt: bool = False) -> bool:
    """Whether they were accepted."""
    batch = [(event, epoch) for event in events]
    left_out = await insert_owned(batch, [run.workspace_id], skip_locked=False, in_doubt=in_doubt)
    assert left_out <= {(run.id, epoch)}
    return not left_out


async def are_waiting(observer: SessionConnection, count: int) -> bool:
    """Whether so many wait for locks."""
    return bool(await observer.fetchval(WAITING) == count)


async def test_events_are_read_as_they_were_written(run: Run) -> None:
    events = [event(run, seq) for seq in range(2, 12)]
    await insert(run, *events)
    assert await read(reading([run.workspace_id]), run.id, 1, 100) == events
    assert await read(reading([run.workspace_id]), run.id, 4, 3) == events[3:6]
    assert await read(reading([run.workspace_id]), run.id, 11, 100) == []
    async with transaction([run.workspace_id]) as connection:
        assert await last_seq(connection, run.id) == 11


async def test_a_run_and_its_events_are_found_together_as_apart(run: Run) -> None:
    reader = reading([run.workspace_id])
    later = datetime.now(UTC).replace(microsecond=0)
    events = [event(run, 2), event(run, 3), LoggedEvent(run.id, 5, 4, later, None, TextDelta("4 5 "))]
    await insert(run, *events)
    for after, limit in ((-1, 100), (0, 2), (2, 100), (3, 1), (5, 100), (77, 100)):
        found = await read_with_run(reader, run.id, after, limit)
        assert found is not None
        row, page = found
        [alone] = await Run.read(reader, "WHERE id = $1", run.id)
        assert page == await read(reader, run.id, after, limit)
        assert {column: getattr(row, column) for column in Run.column_names()} == {
            column: getattr(alone, column) for column in Run.column_names()
        }
    assert await read_with_run(reader, new_id(), 0, 100) is None


async def test_another_workspace_sees_nothing_of_them(run: Run) -> None:
    assert await read_with_run(reading([new_id()]), run.id, 0, 100) is None
    assert await read(reading([new_id()]), run.id, 0, 100) == []
    async with transaction([new_id()]) as connection:
        assert await last_seq(connection, run.id) == 0


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(BODIES, max_size=5))
async def test_whatever_happened_can_be_stored(run: Run, written: list[RunEventBody]) -> None:
    async with transaction([run.workspace_id]) as connection:
        start = await last_seq(connection, run.id)
        events = [event(run, start + 1 + index, storable(body)) for index, body in enumerate(written)]
        if events:
            await insert_events(connection, run.workspace_id, events)
    assert await read(reading([run.workspace_id]), run.id, start, 10) == events
    found = await read_with_run(reading([run.workspace_id]), run.id, start, 10)
    assert found is not None
    assert found[1] == events


async def test_what_a_run_has_said_is_put_together_from_its_log(run: Run) -> None:
    await insert(
        run,
        event(run, 2, StepStarted({})),
        event(run, 3, TextDelta("Good ")),
        event(run, 4, RunRewound(to_seq=2, attempt=2)),
        event(run, 5, TextDelta("Hel")),
        event(run, 6, TextDelta("lo")),
    )
    async with transaction([run.workspace_id]) as connection:
        text = await standing_text(connection, run.id)
    assert text.sha256() == sha256_of("Hello")
    assert text.of_step(run.agent_id) == "Hello"


async def test_only_the_newest_epoch_can_write(run: Run) -> None:
    assert await insert_at_epoch(run, 1, event(run, 2))
    await take_over(run)
    assert not await insert_at_epoch(run, 1, event(run, 3))
    assert await insert_at_epoch(run, 2, event(run, 3))
    assert not await insert_at_epoch(run, 3, event(run, 4))
    assert [entry.seq for entry in await stored(run)] == [1, 2, 3]


async def test_epochs_of_one_run_are_told_apart_within_a_batch(run: Run) -> None:
    await take_over(run)
    batch = [(event(run, 2), 2), (event(run, 3), 1), (event(run, 4), 3)]
    left_out = await insert_owned(batch, [run.workspace_id], skip_locked=True, in_doubt=False)
    assert left_out == {(run.id, 1), (run.id, 3)}
    assert [entry.seq for entry in await stored(run)] == [1, 2]


async def test_a_takeover_waits_for_an_insert_that_has_begun(run: Run, database_url: str) -> None:
    observer = await open_connection(database_url)
    with suppress(ZeroDivisionError):
        async with transaction([run.workspace_id]) as connection:
            # The same number, so that the insert gets stuck in the middle.
            await insert_events(connection, run.workspace_id, [event(run, 2)])
            insertion = asyncio.create_task(insert_at_epoch(run, 1, event(run, 2)), context=Context())
            await until(lambda: are_waiting(observer, 1))
            takeover = asyncio.create_task(take_over(run), context=Context())
            await until(lambda: are_waiting(observer, 2))
            raise ZeroDivisionError
    await observer.close()
    assert await insertion
    assert await takeover == 2
    assert len(await stored(run)) == 2


async def test_what_is_written_belongs_to_the_workspaces_named(run: Run) -> None:
    other = await make_run()
    batch = [(event(run, 2), 1), (event(other, 2), 1)]
    all_of_it = {(run.id, 1), (other.id, 1)}
    for named, left_out in (([], all_of_it), ([new_id()], all_of_it), ([new_id(), other.workspace_id], {(run.id, 1)})):
        assert await insert_owned(batch, named, skip_locked=True, in_doubt=False) == left_out
    assert [len(await stored(each)) for each in (run, other)] == [1, 2]


async def test_an_insert_waits_for_a_takeover_that_has_begun_and_is_refused(run: Run) -> None:
    begun = asyncio.Event()

    async def slow_takeover() -> None:
        async with transaction([run.workspace_id]) as connection:
            await fetch(connection, "UPDATE runs SET epoch = epoch + 1 WHERE id = $1", run.id)
            begun.set()
            await asyncio.sleep(0.1)
            assert not insertion.done()

    takeover = asyncio.create_task(slow_takeover())
    await begun.wait()
    insertion = asyncio.create_task(insert_at_epoch(run, 1, event(run, 2)))
    await takeover
    assert not await insertion
    assert len(await stored(run)) == 1


async def test_a_number_is_given_once(run: Run) -> None:
    await insert_at_epoch(run, 1, event(run, 2))
    with pytest.raises(IntegrityError):
        await insert_at_epoch(run, 1, event(run, 2))


async def test_what_was_stored_in_doubt_is_not_stored_twice(run: Run) -> None:
    events = [event(run, 2), event(run, 3)]
    await insert_at_epoch(run, 1, *events)
    assert await insert_at_epoch(run, 1, *events, in_doubt=True)
    assert (await stored(run))[1:] == events


async def test_each_run_is_told_of_on_its_own_channel(bus: Bus, run: Run) -> None:
    other = await make_run(run.workspace_id)
    events = [event(run, 2), event(run, 3), event(other, 2)]
    async with bus.subscribe(channel(run.id)) as here, bus.subscribe(channel(other.id)) as there:
        await publish(bus, events)
        for subscription, expected in ((here, events[:2]), (there, events[2:])):
            message = await subscription.get()
            assert message is not None
            assert not isinstance(message, Missed)
            assert decode_events(message) == expected

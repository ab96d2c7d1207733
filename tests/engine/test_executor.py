"""One executor: what it takes, how it stops, and what it survives."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from core.events import ModelEvent, RunEventBody, RunFinished, RunRewound, TextDelta
from engine import executor as executor_module
from engine.executor import Executor
from engine.supervision import MOST_BEGINNING
from models import database
from models.agents import Agent
from models.base import Row
from models.database import transaction
from models.notifications import Notification
from models.runs import Run, RunStatus
from models.writes import Writes
from providers.port import ModelRequest
from providers.scripted import Script
from services import claims
from services.claims import Claim, Limits
from services.doorbell import Doorbell
from streaming.bus import Bus, Missed
from streaming.codec import decode_events
from streaming.log import channel
from tests.engine.lab import PATIENCE_S, STOP, Ending, Lab, execute_sql, executing, make_lab, saying, until
from tests.servers.postgres_proxy import PostgresProxy

SLOW = saying(*(["word "] * 20), pause_s=0.05)


@pytest.fixture(params=[True, False], ids=["at_once", "from_the_queue"])
def doorbell(request: pytest.FixtureRequest, lab: Lab) -> Doorbell:
    """An executor that answers it begins new runs at once where it can, or takes them from the queue as any other."""
    return lab.doorbell if request.param else Doorbell()


class Gate:
    """A model that counts who waits in it, and lets nobody through before it is opened."""

    def __init__(self) -> None:
        self.inside = self.most_inside = 0
        self.opened = asyncio.Event()

    async def __call__(self, _request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        yield TextDelta("begun")
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        yield STOP

    def holds(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def is_so() -> bool:
            return self.inside == count

        return is_so


async def test_a_run_takes_few_messages_to_the_database(url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "SWEEP_S", 600.0)
    agent, scripts = await lab.agent("scripted/gate"), {"gate": Gate()}
    until_it_speaks, until_it_ends = [], []
    async with PostgresProxy(url) as proxy:
        await database.close()
        await database.connect(proxy.url, pool_size=1)
        try:
            async with executing(url, lab.bus, scripts, doorbell=lab.doorbell):
                for _ in range(4):
                    before = proxy.messages
                    run = await lab.start(agent)
                    await until_it_is_told(lab.bus, run, TextDelta)
                    until_it_speaks.append(proxy.messages - before)
                    scripts["gate"].opened.set()
                    await until_it_is_told(lab.bus, run, RunFinished)
                    await asyncio.sleep(0.2)
                    until_it_ends.append(proxy.messages - before)
                    scripts["gate"].opened.clear()
        finally:
            await database.close()
            await database.connect(url, pool_size=10)
    # One looks for the agent, one starts and begins it, and one stores what it says. One ends it, and one looks for
    # more. The first ones prepare all of that.
    assert until_it_speaks[-1] <= 3
    assert until_it_ends[-1] <= 5


async def test_a_new_run_comes_to_the_same_at_once_as_from_the_queue(url: str, lab: Lab) -> None:
    endings = []
    for message, columns in (
        ("Hello", {}),
        ("Hi", {"model": "scripted/gone"}),
        ("Ho", {"model": "anthropic/claude-x"}),
    ):
        agent = await lab.agent(**{"model": "scripted/echo"} | columns)
        for doorbell in (lab.doorbell, Doorbell()):
            async with executing(url, lab.bus, {}, doorbell=doorbell) as executor:
                await until(waits(executor))
                run = await lab.start(agent, message)
                assert (run.status, run.epoch, run.started_at) == (RunStatus.QUEUED, 0, None)
                endings.append(told(await lab.ending(run)))
        assert endings[-1] == endings[-2]
    assert [ending["run"]["status"] for ending in endings[::2]] == ["SUCCEEDED", "FAILED", "FAILED"]


def told(ending: Ending) -> dict[str, Any]:
    """All that an ended run left, but for ids, moments and durations."""
    ending.check()

    def plain(row: Row, *left_out: str) -> dict[str, Any]:
        return {
            column: value
            for column, value in ((column, getattr(row, column)) for column in row._meta.db_fields)
            if not (column.endswith(("_at", "_ms", "_seq")) or isinstance(value, UUID) or column in left_out)
        }

    return {
        "run": plain(ending.run, "executor_id"),
        "steps": [plain(step, "output") for step in ending.steps],
        "calls": [plain(call) for call in ending.calls],
        "messages": [plain(message) for message in ending.messages],
        "types": ending.types,
        "seqs": [event.seq for event in ending.events],
    }


def waits(executor: Executor) -> Callable[[], Awaitable[bool]]:
    """Whether it has found nothing in the queue, and waits for news."""

    async def does() -> bool:
        return executor._queue_is_empty and not executor._is_looking

    return does


async def test_a_new_run_needs_no_claim(url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "SWEEP_S", 600.0)
    async with executing(url, lab.bus, {}, doorbell=lab.doorbell) as executor:
        agent = await lab.agent("scripted/echo")
        await until(waits(executor))
        with monkeypatch.context() as here:
            here.setattr(claims, "claim", None)
            ending = (await lab.ending(await lab.start(agent))).check()
    assert (ending.run.status, ending.run.epoch, ending.run.executor_id) == (RunStatus.SUCCEEDED, 1, executor.id)


async def test_a_run_that_may_not_begin_at_once_is_queued(url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another executor has just taken the last place that a limit left."""
    write_claimed, refused = claims.write_claimed, 0

    async def refuse(writes: Writes, claim: Claim, _limits: Limits) -> bool:
        nonlocal refused
        refused += 1
        return await write_claimed(writes, claim, Limits(0, 0))

    monkeypatch.setattr(claims, "write_claimed", refuse)
    monkeypatch.setattr(executor_module, "SWEEP_S", 600.0)
    async with executing(url, lab.bus, {}, doorbell=lab.doorbell) as executor:
        await until(waits(executor))
        agent = await lab.agent("scripted/echo")
        for run in [await lab.start(agent) for _ in range(3)]:
            assert (await lab.ending(run)).check().run.epoch == 1
    # Whoever was refused looks at the queue before it tries again.
    assert 1 <= refused <= 3


async def test_a_new_run_stays_with_whoever_writes_it(url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is theirs from when it is committed, and not given back to the queue before they know."""
    monkeypatch.setattr(executor_module, "SWEEP_S", 600.0)
    write_claimed, committed = claims.write_claimed, asyncio.Event()

    async def slowly(*args: Any) -> bool:
        is_written = await write_claimed(*args)
        committed.set()
        await executor._sweep()
        await asyncio.sleep(0.2)
        return is_written

    monkeypatch.setattr(claims, "write_claimed", slowly)
    agent = await lab.agent("scripted/echo")
    async with executing(url, lab.bus, {}, doorbell=lab.doorbell) as executor:
        await until(waits(executor))
        ending = (await lab.ending(await lab.start(agent))).check()
        assert (ending.run.status, ending.run.epoch) == (RunStatus.SUCCEEDED, 1)
        assert committed.is_set()
        # Who stops just then hands it back.
        await until(waits(executor))
        committed.clear()
        starting = asyncio.create_task(lab.start(agent))
        async with asyncio.timeout(PATIENCE_S):
            await committed.wait()
    run = await starting
    assert (await lab.run(run)).status is RunStatus.QUEUED
    async with executing(url, lab.bus, {}):
        ending = (await lab.ending(run)).check()
    assert (ending.run.status, ending.run.epoch, ending.run.lost_workers) == (RunStatus.SUCCEEDED, 2, 0)


async def test_a_new_run_whose_commit_is_unclear_is_executed_if_it_was_committed(url: str, lab: Lab) -> None:
    agent = await lab.agent("scripted/echo")
    async with PostgresProxy(url) as proxy:
        await database.close()
        await database.connect(proxy.url, pool_size=3)
        try:
            async with executing(url, lab.bus, {}, doorbell=lab.doorbell) as executor:
                await until(waits(executor))
                # Among the statement's values, not when it is prepared.
                proxy.lose_answer_to("Is it there?")
                with pytest.raises(Exception, match="connection"):
                    await lab.start(agent, "Is it there?")
                await until(lambda: has_runs(lab, agent, 1))
                async with transaction([lab.workspace_id]):
                    run = await Run.get(agent_id=agent.id)
                ending = (await lab.ending(run)).check()
        finally:
            await database.close()
            await database.connect(url, pool_size=10)
    assert proxy.has_lost_answer
    assert (ending.run.status, ending.run.lost_workers) == (RunStatus.SUCCEEDED, 0)


async def has_runs(lab: Lab, agent: Agent, count: int) -> bool:
    async with transaction([lab.workspace_id]):
        return await Run.filter(agent_id=agent.id).count() == count


async def until_it_is_told(bus: Bus, run: Run, kind: type[RunEventBody]) -> None:
    """Wait until an event of that kind is stored, by the bus, which takes no look at the database."""
    async with asyncio.timeout(PATIENCE_S), bus.subscribe(channel(run.id)) as told:
        while True:
            message = await told.get()
            assert message is not None
            assert not isinstance(message, Missed)
            if any(isinstance(event.body, kind) for event in decode_events(message)):
                return


async def test_no_more_runs_at_once_than_it_may(url: str, lab: Lab, doorbell: Doorbell) -> None:
    gate = Gate()
    agent = await lab.agent("scripted/gate")
    async with executing(url, lab.bus, {"gate": gate}, run_concurrency=2, doorbell=doorbell):
        started = [await lab.start(agent) for _ in range(5)]
        await until(gate.holds(2))
        await asyncio.sleep(0.2)
        gate.opened.set()
        for run in started:
            assert (await lab.ending(run)).check().run.status is RunStatus.SUCCEEDED
    assert gate.most_inside == 2


async def test_a_burst_is_begun_some_at_a_time_and_all_of_it_is(
    url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[int] = []
    claim = claims.claim

    async def watched(executor_id: str, free: int, *args: Any, **options: Any) -> list[Claim]:
        places.append(free)
        return await claim(executor_id, free, *args, **options)

    monkeypatch.setattr(claims, "claim", watched)
    gate = Gate()
    agent = await lab.agent("scripted/gate")
    burst = [await lab.start(agent) for _ in range(3 * MOST_BEGINNING)]
    async with executing(url, lab.bus, {"gate": gate}, run_concurrency=100):
        # Begun, they make room for others although none has ended.
        await until(gate.holds(len(burst)))
        gate.opened.set()
        for run in burst:
            assert (await lab.ending(run)).check().run.status is RunStatus.SUCCEEDED
    assert min(places) >= MOST_BEGINNING // 2
    assert max(places) == MOST_BEGINNING


async def test_a_flood_of_one_workspace_does_not_keep_another_from_its_run(
    url: str, lab: Lab, doorbell: Doorbell
) -> None:
    gate = Gate()
    flooding, late = await lab.agent("scripted/gate"), await make_lab(lab.bus)
    limits: dict[str, Any] = {"run_concurrency": 4, "workspace_run_concurrency": 3, "agent_run_concurrency": 2}
    async with executing(url, lab.bus, {"gate": gate}, **limits, doorbell=doorbell):
        flood = [await lab.start(flooding) for _ in range(30)]
        await until(gate.holds(2))
        # Another agent of the same workspace has a place left, and another workspace one more.
        other = await lab.start(await lab.agent("scripted/gate"))
        await lab.until_it_speaks(other)
        for _ in range(3):
            run = await late.start(await late.agent("scripted/echo"))
            assert (await late.ending(run)).check().run.status is RunStatus.SUCCEEDED
        assert gate.most_inside == 3
        gate.opened.set()
        for run in [*flood, other]:
            assert (await lab.ending(run)).check().run.status is RunStatus.SUCCEEDED


async def test_runs_of_one_thread_follow_one_another(url: str, lab: Lab, doorbell: Doorbell) -> None:
    gate = Gate()
    agent = await lab.agent("scripted/gate")
    async with executing(url, lab.bus, {"gate": gate}, doorbell=doorbell):
        first = await lab.start(agent)
        started = [first] + [await lab.start(agent, thread_id=first.thread_id) for _ in range(4)]
        await until(gate.holds(1))
        assert [(await lab.run(run)).status for run in started] == ["RUNNING", *["QUEUED"] * 4]
        gate.opened.set()
        endings = [(await lab.ending(run)).check() for run in started]
    assert gate.most_inside == 1
    times = [time for ending in endings for time in (ending.run.started_at, ending.run.finished_at) if time]
    assert times == sorted(times)


async def test_the_next_run_of_a_thread_starts_at_once(url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "SWEEP_S", 60.0)
    agent = await lab.agent("scripted/echo")
    async with executing(url, lab.bus, {}):
        first = await lab.start(agent)
        last = [await lab.start(agent, thread_id=first.thread_id) for _ in range(3)][-1]
        async with asyncio.timeout(5):
            await lab.ending(last)


async def test_stopping_gives_runs_at_hand_time_to_end(url: str, lab: Lab, doorbell: Doorbell) -> None:
    async with executing(url, lab.bus, {"slow": saying("a", "b", pause_s=0.2)}, grace_s=10, doorbell=doorbell):
        run = await lab.start(await lab.agent("scripted/slow"))
        await lab.until_it_speaks(run)
    ending = (await lab.ending(run)).check()
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.epoch == 1


async def test_stopping_hands_the_rest_back_and_another_executor_goes_on(
    url: str, lab: Lab, doorbell: Doorbell
) -> None:
    async with executing(url, lab.bus, {"slow": SLOW}, doorbell=doorbell):
        run = await lab.start(await lab.agent("scripted/slow"))
        await lab.until_it_speaks(run)
    assert (await lab.run(run)).status is RunStatus.QUEUED

    async with executing(url, lab.bus, {"slow": saying("another ", "answer")}):
        ending = (await lab.ending(run)).check()
    assert ending.run.output_text == "another answer"
    assert ending.types == [
        *("RunStarted", "StepStarted", "TextDelta", "RunRewound", "TextDelta", "StepFinished", "RunFinished")
    ]
    [rewound] = [event.body for event in ending.events if isinstance(event.body, RunRewound)]
    assert (rewound.to_seq, rewound.attempt) == (2, 2)
    assert [step.attempt for step in ending.steps] == [2]
    assert [call.status for call in ending.calls] == ["FAILED", "SUCCEEDED"]
    # What the interrupted call took is counted as well as may be.
    assert (ending.calls[0].input_tokens, ending.calls[0].output_tokens > 0) == (2, True)
    assert [message.text for message in ending.messages] == ["Hello", "another answer"]


async def test_stopping_at_any_moment_fails_no_run(url: str, lab: Lab, doorbell: Doorbell) -> None:
    agent = await lab.agent("scripted/short")
    scripts: dict[str, Script] = {"short": saying("a", "b", pause_s=0.01)}
    started: list[Run] = []
    for delay_s in (0.0, 0.01, 0.02, 0.05):
        async with executing(url, lab.bus, scripts, doorbell=doorbell):
            started += [await lab.start(agent) for _ in range(3)]
            await asyncio.sleep(delay_s)
    async with executing(url, lab.bus, scripts):
        for run in started:
            ending = (await lab.ending(run)).check()
            assert ending.run.output_text == "ab", (ending.run.failure_message, ending.run.epoch)


async def test_stopping_just_as_there_is_news_ends(url: str, lab: Lab) -> None:
    for ticks in range(4):
        async with asyncio.timeout(10), executing(url, lab.bus, {}) as executor:
            await lab.ending(await lab.start(await lab.agent("scripted/echo")))
            await asyncio.sleep(0.05)
            executor._heard(Notification.RUN_QUEUED, "")
            for _ in range(ticks):
                await asyncio.sleep(0)


async def test_a_lost_notification_costs_a_moment_only(url: str, lab: Lab) -> None:
    run = await lab.start(await lab.agent("scripted/echo"))
    await execute_sql(url, "UPDATE runs SET status = 'WAITING' WHERE id = $1", run.id)
    async with executing(url, lab.bus, {}):
        # An executor that has looked around, and found nothing.
        await lab.ending(await lab.start(await lab.agent("scripted/echo")))
        await execute_sql(url, "UPDATE runs SET status = 'QUEUED' WHERE id = $1", run.id)
        async with asyncio.timeout(3):
            assert (await lab.ending(run)).check().run.status is RunStatus.SUCCEEDED


async def test_it_goes_on_when_its_listening_connection_is_ended(url: str, lab: Lab, doorbell: Doorbell) -> None:
    agent = await lab.agent("scripted/slow")
    async with executing(url, lab.bus, {"slow": SLOW}, doorbell=doorbell) as executor:
        run = await lab.start(agent)
        await lab.until_it_speaks(run)
        await end_listening(url, executor.id)
        other = await lab.start(agent)
        await until(lambda: holds_lock(url, executor.id), patience_s=2)
        for ending in [await lab.ending(run), await lab.ending(other)]:
            assert ending.check().run.status is RunStatus.SUCCEEDED
        assert ending.run.epoch == 1
        # It hears again.
        await lab.until_it_speaks(await lab.start(agent))


async def test_who_was_cut_off_itself_takes_nobody_for_dead_at_once(
    url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "RETURN_S", 60.0)
    monkeypatch.setattr(executor_module, "SWEEP_S", 0.05)
    agent = await lab.agent("scripted/echo")
    elsewhere = await lab.start(agent)
    await execute_sql(url, "UPDATE runs SET status = 'WAITING' WHERE id = $1", elsewhere.id)
    async with executing(url, lab.bus, {}) as executor:
        await lab.ending(await lab.start(agent))
        await end_listening(url, executor.id)
        await until(lambda: holds_lock(url, executor.id))
        await execute_sql(url, "UPDATE runs SET status = 'RUNNING', executor_id = 'x' WHERE id = $1", elsewhere.id)
        for _ in range(3):
            await lab.ending(await lab.start(agent))
            await asyncio.sleep(0.1)
        assert (await lab.run(elsewhere)).status is RunStatus.RUNNING


async def holds_lock(url: str, executor_id: str) -> bool:
    sql = """
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
    """
    return bool(await execute_sql(url, sql, executor_id))


async def end_listening(url: str, executor_id: str) -> None:
    sql = """
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
    """
    assert await execute_sql(url, sql, executor_id)


async def test_a_run_that_others_gave_back_to_the_queue_ends_once(url: str, lab: Lab) -> None:
    """Whoever loses its lock for a moment is taken for dead. It may end the run all the same, or lose it: not both."""
    async with executing(url, lab.bus, {"slow": SLOW}):
        run = await lab.start(await lab.agent("scripted/slow"))
        await lab.until_it_speaks(run)
        await execute_sql(url, "UPDATE runs SET status = 'QUEUED' WHERE id = $1", run.id)
        ending = (await lab.ending(run)).check()
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.epoch == 1


async def test_looking_for_runs_in_vain_is_not_tried_without_a_pause(
    url: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute_sql(url, "CREATE SEQUENCE IF NOT EXISTS sweeps")
    await execute_sql(url, "GRANT USAGE ON SEQUENCE sweeps TO synapse_app")
    monkeypatch.setattr(claims, "_REQUEUE_DEAD", "SELECT $1 || (1 / (nextval('sweeps') * 0))")
    async with executing(url, lab.bus, {}):
        run = await lab.start(await lab.agent("scripted/echo"))
        assert (await lab.ending(run)).run.status is RunStatus.SUCCEEDED
        await asyncio.sleep(0.3)
    [row] = await execute_sql(url, "SELECT nextval('sweeps') AS count")
    await execute_sql(url, "DROP SEQUENCE sweeps")
    assert row["count"] <= 5


async def test_who_lost_a_run_writes_nothing_more(url: str, lab: Lab, doorbell: Doorbell) -> None:
    async with executing(url, lab.bus, {"slow": SLOW}, doorbell=doorbell):
        run = await lab.start(await lab.agent("scripted/slow"))
        await lab.until_it_speaks(run)
        await execute_sql(url, "UPDATE runs SET epoch = 3, executor_id = 'other' WHERE id = $1", run.id)
        [before] = await execute_sql(url, "SELECT count(*) FROM run_events WHERE run_id = $1", run.id)
        await asyncio.sleep(0.5)
        [after] = await execute_sql(url, "SELECT count(*) FROM run_events WHERE run_id = $1", run.id)
        # 'other' holds no lock: it is dead, and the run comes back, to be told anew.
        ending = (await lab.ending(run)).check()
    assert before == after
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.epoch == 4

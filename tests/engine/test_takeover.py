"""Several processes at one queue: no run is lost, executed twice, or out of its turn, whatever happens to them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise

import pytest

from core.errors import ErrorCode
from core.events import RunRewound
from engine.supervision import MOST_LOST_WORKERS
from models.runs import Run, RunStatus
from services import cancellations
from services.runs import BusyPolicy
from streaming.bus import Bus
from tests.engine.lab import Ending, Lab, execute_sql, executing, make_lab, until
from tests.engine.worker import SCRIPTS, working
from tests.servers.postgres_proxy import PostgresProxy
from tests.servers.redis import RedisServer
from tests.upstream.replies import numbered_tokens

LONG_TEXT = "".join(numbered_tokens(60))


@pytest.fixture
async def bus(redis_server: RedisServer) -> AsyncIterator[Bus]:
    bus = Bus.from_url(redis_server.url)
    async with bus:
        yield bus


@pytest.fixture
async def lab(pool: None, bus: Bus) -> Lab:
    return await make_lab(bus)


async def test_another_executor_takes_over_what_a_dead_one_did(url: str, lab: Lab, redis_server: RedisServer) -> None:
    agent = await lab.agent("scripted/long")
    async with working(url, redis_server.url) as doomed:
        started = [await lab.start(agent) for _ in range(2)]
        for run in started:
            await lab.until_it_speaks(run)
        doomed.kill()
        await doomed.wait()
        died_at = asyncio.get_running_loop().time()
        async with executing(url, lab.bus, SCRIPTS):
            for run in started:
                await lab.until(run, lambda events: any(isinstance(event.body, RunRewound) for event in events))
            took_s = asyncio.get_running_loop().time() - died_at
            endings = [(await lab.ending(run)).check() for run in started]
    assert took_s < 5
    for ending in endings:
        assert ending.run.output_text == LONG_TEXT
        assert (ending.run.epoch, ending.run.lost_workers) == (2, 1)
        assert [call.status for call in ending.calls] == ["FAILED", "SUCCEEDED"]
        assert len(ending.messages) == 2


async def test_a_run_that_kills_its_worker_five_times_is_given_up_and_the_others_go_on(
    url: str, lab: Lab, redis_server: RedisServer
) -> None:
    agent = await lab.agent("scripted/long")
    async with working(url, redis_server.url, "--supervised"):
        before = await lab.start(agent)
        await lab.until_it_speaks(before)
        deadly = await lab.start(await lab.agent("scripted/deadly"))
        after = await lab.start(agent)
        await until(partial(is_over, lab, deadly), patience_s=90)
        given_up = (await lab.ending(deadly)).check()
        others = [(await lab.ending(run)).check() for run in (before, after)]
    assert (given_up.run.status, given_up.run.lost_workers) == (RunStatus.FAILED, MOST_LOST_WORKERS)
    assert (given_up.run.failure_code, given_up.run.failure_retryable) == (ErrorCode.INTERNAL, False)
    assert "5 workers died" in (given_up.run.failure_message or "")
    assert [call.status for call in given_up.calls] == ["FAILED"] * 5
    assert [other.run.output_text for other in others] == [LONG_TEXT] * 2


async def is_over(lab: Lab, run: Run) -> bool:
    return (await lab.run(run)).status.is_final


async def test_a_frozen_executor_loses_what_is_cancelled_and_writes_nothing_more(
    url: str, lab: Lab, redis_server: RedisServer
) -> None:
    agent = await lab.agent("scripted/long")
    async with working(url, redis_server.url) as zombie:
        run, other = [await lab.start(agent) for _ in range(2)]
        await lab.until_it_speaks(run)
        await lab.until_it_speaks(other)
        zombie.send_signal(signal.SIGSTOP)
        # Two seconds, and five more if it froze in a transaction that holds the run.
        async with asyncio.timeout(15):
            cancelled = await cancellations.cancel(lab.principal, lab.bus, run.id)
        before = (await lab.ending(run)).check()
        # Nobody waits when a new run of the thread cancels the one before it, or when the client has left.
        await execute_sql(
            url, "UPDATE runs SET cancel_requested_at = now() - interval '1 minute' WHERE id = $1", other.id
        )
        async with executing(url, lab.bus, SCRIPTS):
            assert (await lab.ending(other)).check().run.status is RunStatus.CANCELLED
        zombie.send_signal(signal.SIGCONT)
        # It goes on with other work.
        assert (await lab.ending(await lab.start(await lab.agent("scripted/short")))).run.status is RunStatus.SUCCEEDED
        await asyncio.sleep(0.3)
        after = (await lab.ending(run)).check()
    assert cancelled.status is RunStatus.CANCELLED
    assert before.messages[1].partial
    assert before.calls[0].output_tokens > 0
    assert (before.events, before.run.epoch) == (after.events, 2)
    assert [message.text for message in before.messages] == [message.text for message in after.messages]


async def test_two_processes_never_work_in_one_thread_at_once(url: str, lab: Lab, redis_server: RedisServer) -> None:
    agent = await lab.agent("scripted/short")
    executors: set[str | None] = set()
    async with working(url, redis_server.url), executing(url, lab.bus, SCRIPTS), asyncio.timeout(60):
        # Either process may be the quicker one for a while.
        while len(executors) < 2:
            heads = [await lab.start(agent) for _ in range(3)]
            threads = [[head] for head in heads]
            for _ in range(8):
                for thread in threads:
                    thread.append(await lab.start(agent, thread_id=thread[0].thread_id))
            for thread in threads:
                endings = [(await lab.ending(run)).check() for run in thread]
                executors |= {ending.run.executor_id for ending in endings}
                assert_one_after_another(endings)
        # Each of these cancels the one before it, whichever process executes that.
        slow = await lab.agent("scripted/long")
        cancelled = [await lab.start(slow)]
        for _ in range(3):
            await lab.until_it_speaks(cancelled[-1])
            thread_id = cancelled[0].thread_id
            cancelled.append(await lab.start(slow, thread_id=thread_id, if_busy=BusyPolicy.CANCEL))
        endings = [(await lab.ending(run)).check() for run in cancelled]
        assert [ending.run.status for ending in endings] == [*["CANCELLED"] * 3, "SUCCEEDED"]
        assert_one_after_another(endings)


def assert_one_after_another(endings: list[Ending]) -> None:
    for before, after in pairwise(endings):
        assert before.run.finished_at is not None
        assert after.run.started_at is not None
        assert before.steps[0].finished_at is not None
        assert before.steps[0].finished_at <= after.steps[0].started_at


async def test_a_worker_survives_a_database_that_is_away(url: str, lab: Lab, redis_server: RedisServer) -> None:
    async with PostgresProxy(url) as proxy, working(proxy.url, redis_server.url) as worker:
        agent = await lab.agent("scripted/long")
        run = await lab.start(agent)
        await lab.until_it_speaks(run)
        await proxy.close()
        await asyncio.sleep(1)
        await proxy.open()
        ending = (await lab.ending(run)).check()
        assert (ending.run.status, ending.run.output_text) == (RunStatus.SUCCEEDED, LONG_TEXT)
        other = (await lab.ending(await lab.start(agent))).check()
        assert other.run.status is RunStatus.SUCCEEDED
        assert worker.returncode is None

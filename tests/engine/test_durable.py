"""The durable engine's promises, and the behaviour of DBOS that they rest on, much of it private to DBOS 3.4."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dbos import DBOS
from dbos import error as dbos_error

from core.errors import RunLost, StartupRefused
from engine import durable
from engine.durable import DurableEngine, step
from models.database import open_connection
from tests.servers.postgres import create_database, drop_database

ROOT = Path(__file__).parents[2]


class Recorder:
    """Makes steps, and keeps the names of those that were executed rather than remembered."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    async def step(self, name: str, result: Any = None) -> Any:
        async def body() -> Any:
            self.executed.append(name)
            return result

        return await step(name, body)


@asynccontextmanager
async def opened(url: str, run_agent: Callable[[str], Any], executor_id: str = "") -> AsyncIterator[DurableEngine]:
    """An engine that is closed without waiting for what it executes."""
    engine = DurableEngine(url, executor_id or new_id(), run_agent, pool_size=4)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close(grace_s=0)


def new_id() -> str:
    return str(uuid4())


async def begun(execution: Awaitable[asyncio.Future[None] | None]) -> asyncio.Future[None]:
    future = await execution
    assert future is not None
    return future


async def completed(execution: Awaitable[asyncio.Future[None] | None]) -> None:
    async with asyncio.timeout(10):
        await (await begun(execution))


async def query(url: str, sql: str, *values: object) -> list[dict[str, Any]]:
    connection = await open_connection(url)
    try:
        return [dict(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()


async def status_of(url: str, run_id: str) -> str | None:
    rows = await query(url, "SELECT status FROM dbos.workflow_status WHERE workflow_uuid = $1", run_id)
    return rows[0]["status"] if rows else None


async def left_by(url: str, run_id: str) -> str | None:
    """The executor that began the run last and did not finish it."""
    sql = "SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid = $1 AND status = 'PENDING'"
    rows = await query(url, sql, run_id)
    return rows[0]["executor_id"] if rows else None


async def abandoned_run(url: str, executor_id: str) -> str:
    """The id of a run that an engine left pending after its first step."""
    run_id, hanging, recorder = new_id(), asyncio.Event(), Recorder()

    async def run_agent(run_id: str) -> None:
        await recorder.step("first", {"answer": 42})
        hanging.set()
        await asyncio.Event().wait()

    async with opened(url, run_agent, executor_id) as engine:
        execution = await begun(engine.start(run_id))
        await hanging.wait()
    assert execution.cancelled()
    return run_id


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def nothing(run_id: str) -> None:
    return None


async def test_a_finished_step_is_not_repeated_after_kill_9(durable_url: str) -> None:
    run_id, dead_id, results = new_id(), new_id(), []
    recorder = Recorder()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engine.doomed_executor", durable_url, dead_id, run_id),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"hanging\n"
    process.kill()
    await process.communicate()

    async def run_agent(run_id: str) -> None:
        results.append(await recorder.step("first", "not this"))
        results.append(await recorder.step("second", "resumed"))

    async with opened(durable_url, run_agent) as engine:
        assert await left_by(durable_url, run_id) == dead_id
        assert await engine.start(run_id) is None
        await completed(engine.resume(run_id))
    assert results == [process.pid, "resumed"]
    assert recorder.executed == ["second"]
    assert await status_of(durable_url, run_id) == "SUCCESS"


async def test_a_run_is_started_once(durable_url: str) -> None:
    run_id, executions = new_id(), 0

    async def run_agent(run_id: str) -> None:
        nonlocal executions
        executions += 1

    async with opened(durable_url, run_agent) as engine:
        first, second = await asyncio.gather(engine.start(run_id), engine.start(run_id))
        assert first is not None
        assert second is None
        await first
        assert await engine.start(run_id) is None
        assert await engine.resume(run_id) is None
    assert executions == 1


async def test_what_is_executed_here_or_finished_is_not_resumed(durable_url: str) -> None:
    release = asyncio.Event()
    run_id = await abandoned_run(durable_url, new_id())

    async def run_agent(run_id: str) -> None:
        await release.wait()

    async with opened(durable_url, run_agent) as engine:
        execution = await begun(engine.resume(run_id))
        assert await engine.resume(run_id) is None
        release.set()
        await execution
        assert await engine.resume(run_id) is None


async def test_nothing_is_executed_that_was_not_asked_for(durable_url: str) -> None:
    dead_id, executed = new_id(), []
    run_id = await abandoned_run(durable_url, dead_id)

    async def run_agent(run_id: str) -> None:
        executed.append(run_id)

    async with opened(durable_url, run_agent) as engine:

        async def handed_over() -> bool:
            return await left_by(durable_url, run_id) == engine.executor_id

        # An operator's tool queues it, and DBOS's own queue, polled each second, hands it to this executor.
        await DBOS.resume_workflow_async(run_id)
        await until(handed_over)
        assert executed == []
        await completed(engine.resume(run_id))
    assert executed == [run_id]


async def test_a_launch_leaves_the_runs_of_others_alone(durable_url: str) -> None:
    dead_id, executed = new_id(), []
    run_id = await abandoned_run(durable_url, dead_id)

    async def run_agent(run_id: str) -> None:
        executed.append(run_id)

    async with opened(durable_url, run_agent):
        # Longer than the second after which DBOS polls its queue.
        await asyncio.sleep(1.3)
        assert await left_by(durable_url, run_id) == dead_id
    assert executed == []


async def test_who_lost_a_run_finishes_no_further_step_and_leaves_no_outcome(durable_url: str) -> None:
    run_id, other_id = new_id(), new_id()
    finished = []

    async def run_agent(run_id: str) -> None:
        async def taken_over_meanwhile() -> None:
            await query(
                durable_url,
                "UPDATE dbos.workflow_status SET executor_id = $2, owner_xid = 'theirs' WHERE workflow_uuid = $1",
                run_id,
                other_id,
            )

        await step("first", taken_over_meanwhile)
        finished.append("first")

    async with opened(durable_url, run_agent) as engine:
        with pytest.raises(RunLost):
            await completed(engine.start(run_id))
        assert await left_by(durable_url, run_id) == other_id
    assert finished == []
    assert await query(durable_url, "SELECT 1 FROM dbos.operation_outputs WHERE workflow_uuid = $1", run_id) == []


async def test_what_raises_is_not_finished_and_runs_again_when_resumed(durable_url: str) -> None:
    run_id, failures, cause = new_id(), [ConnectionError("the database is gone")], OSError()
    recorder = Recorder()

    async def run_agent(run_id: str) -> None:
        await recorder.step("first")

        async def flaky() -> str:
            recorder.executed.append("flaky")
            if failures:
                raise failures.pop() from cause
            return "fine"

        assert await step("flaky", flaky) == "fine"

    async with opened(durable_url, run_agent) as engine:
        with pytest.raises(ConnectionError, match="the database is gone") as raised:
            await completed(engine.start(run_id))
        assert raised.value.__cause__ is cause
        assert await left_by(durable_url, run_id) == engine.executor_id
        await completed(engine.resume(run_id))
        rows = await query(
            durable_url, "SELECT recovery_attempts FROM dbos.workflow_status WHERE workflow_uuid = $1", run_id
        )
    assert recorder.executed == ["first", "flaky", "flaky"]
    assert rows == [{"recovery_attempts": 2}]


async def test_cancelling_a_task_inside_a_step_lets_the_step_return(durable_url: str) -> None:
    run_id, reading = new_id(), asyncio.Event()
    inner: asyncio.Task[None]
    results = []

    async def read_provider() -> None:
        reading.set()
        await asyncio.Event().wait()

    async def model_call() -> str:
        nonlocal inner
        inner = asyncio.create_task(read_provider())
        await asyncio.wait({inner})
        return "cancelled" if inner.cancelled() else "finished"

    async def run_agent(run_id: str) -> None:
        results.append(await step("model", model_call))

    async with opened(durable_url, run_agent) as engine:
        execution = await begun(engine.start(run_id))
        await reading.wait()
        inner.cancel()
        await execution
    assert results == ["cancelled"]
    assert await status_of(durable_url, run_id) == "SUCCESS"


async def test_close_waits_for_executions_and_leaves_the_rest_pending(durable_url: str) -> None:
    quick, slow, recorder = new_id(), new_id(), Recorder()
    both_run = asyncio.Barrier(3)

    async def run_agent(run_id: str) -> None:
        await both_run.wait()
        await asyncio.sleep(0.1 if run_id == quick else 60)
        await recorder.step(run_id)

    engine = DurableEngine(durable_url, new_id(), run_agent)
    await engine.open()
    quick_execution, slow_execution = [await begun(engine.start(run_id)) for run_id in (quick, slow)]
    await both_run.wait()
    await engine.close(grace_s=0.4)
    assert quick_execution.done()
    assert not quick_execution.cancelled()
    assert slow_execution.cancelled()
    assert recorder.executed == [quick]
    assert await status_of(durable_url, quick) == "SUCCESS"
    assert await status_of(durable_url, slow) == "PENDING"


async def test_cancelling_the_future_stops_nothing(durable_url: str) -> None:
    run_id, executing, release = new_id(), asyncio.Event(), asyncio.Event()

    async def run_agent(run_id: str) -> None:
        executing.set()
        await release.wait()

    async def finished() -> bool:
        return await status_of(durable_url, run_id) == "SUCCESS"

    async with opened(durable_url, run_agent) as engine:
        execution = await begun(engine.start(run_id))
        await executing.wait()
        execution.cancel()
        release.set()
        await until(finished)


async def test_runs_execute_in_the_callers_event_loop_and_context(durable_url: str) -> None:
    request: ContextVar[str] = ContextVar("request")
    dead_id, seen = new_id(), []
    abandoned = await abandoned_run(durable_url, dead_id)

    async def see() -> None:
        seen.append((asyncio.get_running_loop(), request.get()))

    async def run_agent(run_id: str) -> None:
        await see()
        await step("first", see)

    async with opened(durable_url, run_agent) as engine:
        request.set("started")
        await completed(engine.start(new_id()))
        request.set("resumed")
        await completed(engine.resume(abandoned))
    loop = asyncio.get_running_loop()
    assert seen == [(loop, "started"), (loop, "started"), (loop, "resumed")]


async def test_steps_that_run_at_once_are_remembered_each(durable_url: str) -> None:
    run_id, recorder, results = new_id(), Recorder(), []
    failures = [ValueError("late")]

    async def slow(seconds: float) -> float:
        await asyncio.sleep(seconds)
        recorder.executed.append(f"{seconds}")
        return seconds

    async def run_agent(run_id: str) -> None:
        steps = [step(f"sleep {seconds}", partial(slow, seconds)) for seconds in (0.05, 0.0, 0.02)]
        results.append(await asyncio.gather(*steps))
        if failures:
            raise failures.pop()

    async with opened(durable_url, run_agent) as engine:
        with pytest.raises(ValueError, match="late"):
            await completed(engine.start(run_id))
        await completed(engine.resume(run_id))
    assert results == [[0.05, 0.0, 0.02]] * 2
    assert len(recorder.executed) == 3


async def test_a_step_of_another_name_is_refused(durable_url: str) -> None:
    run_id = await abandoned_run(durable_url, new_id())

    async def run_agent(run_id: str) -> None:
        await Recorder().step("another")

    async with opened(durable_url, run_agent) as engine:
        with pytest.raises(dbos_error.DBOSUnexpectedStepError):
            await completed(engine.resume(run_id))


async def test_the_tables_hold_json(durable_url: str) -> None:
    run_id = new_id()

    async def run_agent(run_id: str) -> None:
        await Recorder().step("object", {"text": "ä\0", "numbers": [1, 2.5, None]})
        await Recorder().step("nothing", None)

    async with opened(durable_url, run_agent) as engine:
        await completed(engine.start(run_id))
    [status] = await query(
        durable_url,
        "SELECT s.status, s.serialization, i.inputs"
        " FROM dbos.workflow_status s JOIN dbos.workflow_input i USING (workflow_uuid) WHERE workflow_uuid = $1",
        run_id,
    )
    steps = await query(
        durable_url,
        "SELECT function_name, output, serialization FROM dbos.operation_outputs WHERE workflow_uuid = $1 ORDER BY 1",
        run_id,
    )
    json = "portable_json"
    arguments = f'{{"namedArgs":{{}},"positionalArgs":["{run_id}"]}}'
    assert status == {"status": "SUCCESS", "serialization": json, "inputs": arguments}
    assert [tuple(row.values()) for row in steps] == [
        ("nothing", "null", json),
        ("object", '{"text":"ä\\u0000","numbers":[1,2.5,null]}', json),
    ]


async def test_what_is_no_json_is_refused(durable_url: str) -> None:
    async def run_agent(run_id: str) -> None:
        await Recorder().step("object", object())

    async with opened(durable_url, run_agent) as engine:
        with pytest.raises(TypeError, match="not portable JSON serializable"):
            await completed(engine.start(new_id()))


async def test_a_forgotten_run_leaves_no_row_and_can_begin_anew(durable_url: str) -> None:
    run_id, recorder = new_id(), Recorder()

    async def run_agent(run_id: str) -> None:
        await recorder.step("only")

    async with opened(durable_url, run_agent) as engine:
        await completed(engine.start(run_id))
        await engine.forget([run_id])
        tables = await query(
            durable_url,
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'dbos'"
            " AND column_name = 'workflow_uuid'",
        )
        assert len(tables) > 3
        for table in tables:
            sql = f'SELECT 1 FROM dbos."{table["table_name"]}" WHERE workflow_uuid = $1'
            assert await query(durable_url, sql, run_id) == []
        await completed(engine.start(run_id))
    assert recorder.executed == ["only", "only"]


async def test_an_engine_can_be_opened_again_and_leaves_the_loop_with_threads(
    durable_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        async with opened(durable_url, nothing) as engine:
            await completed(engine.start(new_id()))
        # DBOS replaces the event loop's default executor, and shuts that down.
        assert await asyncio.to_thread(lambda: "alive") == "alive"
    assert caplog.messages == []


async def test_a_second_engine_is_refused(durable_url: str) -> None:
    async with opened(durable_url, nothing):
        with pytest.raises(RuntimeError, match="already"):
            await DurableEngine(durable_url, new_id(), nothing).open()


async def test_dbos_logs_through_the_root_logger(durable_url: str) -> None:
    async with opened(durable_url, nothing):
        logger = logging.getLogger("dbos")
        assert logger.propagate
        assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
        assert logger.getEffectiveLevel() == logging.WARNING


async def test_without_superuser_rights_migrating_twice_and_running_work(worker_id: str) -> None:
    name, role = f"durable_owned_{worker_id}", f"durable_owner_{worker_id}"
    admin_url = await create_database(name, template="template0")
    await query(admin_url, f"DROP ROLE IF EXISTS {role}")
    await query(admin_url, f"CREATE ROLE {role} LOGIN")
    await query(admin_url, f"ALTER DATABASE {name} OWNER TO {role}")
    # Other tests make and drop databases meanwhile.
    own_databases = f"SELECT datname FROM pg_database WHERE datname LIKE '%owned_{worker_id}%'"
    databases = await query(admin_url, own_databases)
    url = admin_url.replace("//postgres:", f"//{role}:")
    try:
        engine = DurableEngine(url, new_id(), nothing)
        with pytest.raises(StartupRefused, match="synapse migrate"):
            await engine.open()
        await durable.migrate(url)
        await durable.migrate(url)
        async with opened(url, nothing) as engine:
            await completed(engine.start(new_id()))
        owners = await query(
            admin_url, "SELECT DISTINCT schemaname, tableowner FROM pg_tables WHERE schemaname = 'dbos'"
        )
        assert owners == [{"schemaname": "dbos", "tableowner": role}]
        assert await query(admin_url, own_databases) == databases
    finally:
        await drop_database(name)

"""Durable execution of runs: the port behind which DBOS lives.

A run is one DBOS workflow, whose id is the run's. The workflow calls `step` for everything that must not happen twice
and keeps no record of that by itself, as model calls do, in the transaction of all that they came to. What a step
returns is committed to PostgreSQL, and when the workflow is resumed after a crash, in whichever process, finished steps
hand back what they returned then. One rule holds for workflows and steps alike: *what returns is finished for good;
what raises or is cancelled is not, and runs again when somebody resumes it.* DBOS itself would record a raised
exception as the outcome, and a lost database connection would be final; hence `_Unfinished`.

Nothing is executed here but what `start` and `resume` were asked for. By itself DBOS resumes only what the same
executor id left behind, so an id must never be used again; and it resumes through a queue that all processes poll, so
that any of them may end up with the run. `resume` takes the workflow over in one statement, and executes it here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import sqlalchemy
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as dbos_error
from dbos._core import execute_dequeued_workflow

from core.errors import RunLost, StartupRefused
from models.migrate import one_at_a_time

__all__ = ["DurableEngine", "migrate", "step"]

JsonT = TypeVar("JsonT", bound=bool | int | float | str | list[Any] | dict[str, Any] | None)

SCHEMA = "dbos"
APPLICATION = "synapse"
# DBOS keeps the runs of different versions of a program apart. Ours must be able to resume each other's.
APPLICATION_VERSION = "1"
WORKFLOW = "run_agent"
# DBOS makes its own thread pool the event loop's default one, without a limit unless told: as many as asyncio takes.
MOST_THREADS = 32
CANCELLATION_S = 5.0

# With a handler in place DBOS leaves its logger alone; otherwise it writes to stderr, past the process's own set-up.
logging.getLogger("dbos").addHandler(logging.NullHandler())

# Tells an execution that was asked for from one that DBOS's queue begins: tasks inherit the context of whoever asked.
_asked_for: ContextVar["asyncio.Future[None] | None"] = ContextVar("asked_for", default=None)

# What DBOS's own queue does to a workflow that it hands to an executor, for one workflow at once.
_TAKE_OVER = sqlalchemy.text(f"""
UPDATE {SCHEMA}.workflow_status
   SET executor_id = :executor_id, owner_xid = :token, recovery_attempts = recovery_attempts + 1,
       updated_at = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
 WHERE workflow_uuid = :run_id AND status = 'PENDING'
""")


class _Unfinished(BaseException):
    """Carries an exception past DBOS, which records those that derive from Exception as final outcomes."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def migrate(database_url: str) -> None:
    """Create DBOS's tables in the schema ``dbos`` of this database, or bring them up to date; again without harm.

    Needs a role that may create the schema, or owns it; no superuser. Those who migrate at the same time take turns.
    """
    async with one_at_a_time(database_url):
        await asyncio.to_thread(DBOS.migrate, database_url, schema=SCHEMA)


async def step(name: str, function: Callable[[], Awaitable[JsonT]]) -> JsonT:
    """Run ``function`` as the next step of the run at hand, or return what it returned before, when it finished then.

    The result must survive JSON unchanged (dates, decimals and tuples do not). A run's n-th step must have the same
    name at each execution. Several steps may run at once, as long as they are always begun in the same order.

    Raises:
        RunLost: the run was taken over by another process, or finished by one.
        dbos.error.DBOSUnexpectedStepError: this step had another name before.
        Exception: what ``function`` raised. Nothing is recorded; it runs again when the run is resumed.
    """

    async def attempt() -> JsonT:
        try:
            return await function()
        except Exception as error:
            raise _Unfinished(error) from error

    try:
        return await DBOS.run_step_async({"name": name}, attempt)
    except _Unfinished as unfinished:
        error = unfinished.error
    except (dbos_error.DBOSWorkflowConflictIDError, dbos_error.DBOSWorkflowCancelledError) as lost:
        error = RunLost(str(lost))
    # Out here, so that it keeps the cause and the context that it was raised with.
    raise error


class DurableEngine:
    """The durable executions of this process. There can be only one engine open at a time."""

    _is_open: ClassVar[bool] = False

    def __init__(
        self,
        database_url: str,
        executor_id: str,
        run_agent: Callable[[str], Coroutine[Any, Any, None]],
        pool_size: int = 8,
    ) -> None:
        """``executor_id``: never used before, by any process. ``pool_size``: most connections, besides one to listen.

        ``run_agent``: executes the run of the id that it is given, in steps, and lets RunLost through.
        """
        self.executor_id = executor_id
        self._run_agent = run_agent
        self._executions: dict[str, asyncio.Future[None]] = {}
        self._config = DBOSConfig(
            name=APPLICATION,
            application_version=APPLICATION_VERSION,
            executor_id=executor_id,
            system_database_url=database_url,
            dbos_system_schema=SCHEMA,
            run_migrations=False,
            sys_db_pool_size=pool_size,
            serializer=DBOSPortableJSONSerializer(),
            max_executor_threads=MOST_THREADS,
            enable_otlp=False,
            log_level="WARNING",
            # Features that we don't use: let their threads sleep.
            notification_coalesce_sec=0.2,
            scheduler_polling_interval_sec=3600.0,
        )

    async def open(self) -> None:
        """Connect and launch. Blocks the event loop for a moment (some 40 ms), so open it before serving.

        Raises:
            StartupRefused: the tables are missing or older than this version.
            sqlalchemy.exc.OperationalError: the database cannot be reached.
        """
        if DurableEngine._is_open:
            raise RuntimeError("This process has a durable engine already; DBOS would silently go on using that one.")
        DurableEngine._is_open = True
        self._dbos = DBOS(config=self._config)

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        async def workflow(run_id: str) -> None:
            await self._execute(run_id)

        self._workflow = workflow
        try:
            # In this thread, because DBOS adopts the event loop of the thread that launches it.
            DBOS.launch()
        except dbos_error.DBOSInitializationError as error:
            await self._destroy()
            raise StartupRefused("The durable engine's tables are missing or too old. Run: synapse migrate") from error
        except BaseException:
            await self._destroy()
            raise

    async def close(self, grace_s: float) -> None:
        """Wait up to ``grace_s`` seconds for the executions at hand, cancel the rest, and disconnect.

        What was cancelled stays pending, for another process to resume.
        """
        if unfinished := set(self._dbos._workflow_tasks):
            _, unfinished = await asyncio.wait(unfinished, timeout=grace_s)
        if unfinished:
            for task in unfinished:
                task.cancel()
            await asyncio.wait(unfinished, timeout=CANCELLATION_S)
        for execution in self._executions.values():
            execution.cancel()
        await self._destroy()

    async def start(self, run_id: str) -> asyncio.Future[None] | None:
        """Begin to execute a run in the running event loop; returned once that is committed.

        The future is done when the run is finished for good, and fails with what ``run_agent`` raised; cancelled means
        that its task was. Either way the run is pending then. Cancelling the future stops nothing.

        None: the run was begun before, here or elsewhere, and possibly finished since; nothing happens.
        """

        async def begin() -> bool:
            try:
                with SetWorkflowID(run_id, workflow_id_reuse_policy="reject"):
                    await DBOS.start_workflow_async(self._workflow, run_id)
            except dbos_error.DBOSWorkflowIDInUseError:
                return False
            return True

        return await self._ask_for(run_id, begin)

    async def resume(self, run_id: str) -> asyncio.Future[None] | None:
        """Take a pending run over, and execute it here from its first unfinished step.

        Whoever executed it before, if alive after all, finishes no further step of it. That may be this very executor,
        when its execution failed. The future is as in `start`.

        None: the run is not pending, or being executed here right now; nothing happens.
        """
        return await self._ask_for(run_id, partial(asyncio.to_thread, self._take_over, run_id))

    async def remembered(self, age_s: float, skip: int, limit: int) -> list[str]:
        """The ids of up to ``limit`` runs, finished or not, that were begun ``age_s`` seconds ago or earlier; oldest
        first, leaving out the first ``skip``.
        """
        begun_by = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
        rows = await DBOS.list_workflows_async(
            name=WORKFLOW, end_time=begun_by, offset=skip, limit=limit, load_input=False, load_output=False
        )
        return [row.workflow_id for row in rows]

    async def forget(self, run_ids: Collection[str]) -> None:
        """Delete all that DBOS keeps about these runs, finished or not. One being executed fails at its next step."""
        await DBOS.delete_workflows_async(list(run_ids))

    async def _ask_for(self, run_id: str, begin: Callable[[], Awaitable[bool]]) -> asyncio.Future[None] | None:
        if run_id in self._executions:
            return None
        execution: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._executions[run_id] = execution
        context = _asked_for.set(execution)
        begun = False
        try:
            begun = await begin()
        finally:
            _asked_for.reset(context)
            if not begun:
                self._executions.pop(run_id, None)
        return execution if begun else None

    def _take_over(self, run_id: str) -> bool:
        token = str(uuid4())
        database = self._dbos._sys_db
        values = {"run_id": run_id, "executor_id": self.executor_id, "token": token}
        with database.engine.begin() as connection:
            if connection.execute(_TAKE_OVER, values).rowcount == 0:
                return False
        workflow = database.get_workflow_status(run_id)
        if workflow is None:
            return False
        execute_dequeued_workflow(self._dbos, workflow, token)
        return True

    async def _execute(self, run_id: str) -> None:
        execution, task = _asked_for.get(), asyncio.current_task()
        if execution is None or self._executions.get(run_id) is not execution or task is None:
            raise _Unfinished(RunLost("Nobody waits for this execution: only DBOS's own tools queue workflows."))
        # DBOS records the outcome in this very task, after we return: the run is finished when the task is.
        task.add_done_callback(partial(self._finish, run_id, execution))
        try:
            await self._run_agent(run_id)
        except Exception as error:
            raise _Unfinished(error) from error

    def _finish(self, run_id: str, execution: asyncio.Future[None], task: asyncio.Task[None]) -> None:
        self._executions.pop(run_id, None)
        if task.cancelled():
            execution.cancel()
            return
        error = task.exception()
        if execution.done():
            return
        if error is None:
            execution.set_result(None)
        else:
            execution.set_exception(error.error if isinstance(error, _Unfinished) else error)

    async def _destroy(self) -> None:
        # DBOS leaves its thread pool behind as the event loop's default one, shut down.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        # The registry goes too, or the next engine's workflow would count as registered twice.
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        DurableEngine._is_open = False

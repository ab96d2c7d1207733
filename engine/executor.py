"""Takes runs from the queue and executes them, in this process."""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import structlog

from core.errors import ErrorCode, RunLost
from core.settings import Settings
from engine.agent_run import finish, run_agent
from engine.durable import DurableEngine
from engine.execution import Execution
from engine.model_call import ModelCaller
from models.notifications import Notification, listen
from models.runs import RunStatus
from providers.registry import Providers
from services import claims
from services.claims import Claim
from services.run_endings import Failure, Outcome
from streaming.bus import Bus
from streaming.writer import EventLog

# How often to look for work that no notification told of.
SWEEP_S = 1.0

_INTERNAL = Failure(ErrorCode.INTERNAL, "Something went wrong on our side; the run may be repeated.", retryable=True)

_log = structlog.get_logger(__name__)


class Executor:
    """One per process. Its id is new at each start, and held by an advisory lock for as long as it lives."""

    def __init__(self, settings: Settings, providers: Providers, bus: Bus, log: EventLog) -> None:
        self.id = uuid4().hex
        self._settings = settings
        self._bus = bus
        self._event_log = log
        self._caller = ModelCaller(providers, bus)
        self._engine = DurableEngine(settings.database_url, self.id, self._run)
        self._held: set[UUID] = set()
        self._executions: dict[UUID, Execution] = {}
        self._supervised: set[asyncio.Task[None]] = set()
        self._done: list[str] = []
        self._wake = asyncio.Event()
        self._alive = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and begin to take runs.

        Raises:
            StartupRefused: the durable engine's tables are missing or too old.
        """
        await self._engine.open()
        listening = listen(self._settings.database_url, self.id, self._heard, self._connected)
        self._background = [asyncio.create_task(listening), asyncio.create_task(self._claim_for_ever())]

    async def stop(self, grace_s: float) -> None:
        """Take no more runs, give those at hand ``grace_s`` seconds, and hand the rest back to the queue."""
        for task in self._background[1:]:
            task.cancel()
        await self._forget_done()
        await self._engine.close(grace_s)
        if self._supervised:
            await asyncio.wait(self._supervised)
        if self._alive.is_set():
            await claims.requeue_others(self.id, working_on=())
        for task in self._background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _connected(self) -> None:
        self._alive.set()
        self._wake.set()

    def _heard(self, notification: Notification, payload: str) -> None:
        match notification:
            case Notification.RUN_QUEUED:
                self._wake.set()
            case Notification.RUN_CANCEL_REQUESTED:
                self._cancel(UUID(payload))

    def _cancel(self, run_id: UUID) -> None:
        execution = self._executions.get(run_id)
        if execution is not None:
            execution.cancel()

    async def _claim_for_ever(self) -> None:
        # Nobody may take us for dead while we hold runs.
        await self._alive.wait()
        sweep_at = 0.0
        now = asyncio.get_running_loop().time
        while True:
            try:
                if now() >= sweep_at:
                    await self._sweep()
                    sweep_at = now() + SWEEP_S
                await self._claim()
            except Exception as error:
                _log.warning("could not look for runs; trying again", error=repr(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, sweep_at - now()))

    async def _claim(self) -> None:
        self._wake.clear()
        free = self._settings.run_concurrency - len(self._held)
        if free <= 0:
            return
        for claim in await claims.claim(self.id, free):
            self._held.add(claim.run_id)
            task = asyncio.create_task(self._supervise(claim))
            self._supervised.add(task)
            task.add_done_callback(self._supervised.discard)

    async def _sweep(self) -> None:
        dead = await claims.requeue_dead(self.id)
        if dead:
            _log.warning("took over the runs of dead executors", run_ids=[str(run_id) for run_id in dead])
        if self._executions:
            for run_id in await claims.cancel_requested(list(self._executions)):
                self._cancel(run_id)
        await claims.requeue_others(self.id, working_on=self._held)
        await self._forget_done()

    async def _forget_done(self) -> None:
        if self._done:
            done, self._done = self._done, []
            await self._engine.forget(done)

    async def _supervise(self, claim: Claim) -> None:
        """See one claimed run through to its end here. What does not end goes back to the queue with the next sweep."""
        log = _log.bind(run_id=str(claim.run_id), workspace_id=str(claim.workspace_id))
        try:
            writer = await self._event_log.open(claim.run_id, claim.workspace_id, claim.epoch)
            execution = self._executions[claim.run_id] = Execution(claim, writer)
            try:
                await self._execute(execution)
            except RunLost:
                raise
            except Exception:
                log.exception("run failed unexpectedly")
                await finish(execution, self._bus, Outcome(RunStatus.FAILED, failure=_INTERNAL))
            self._done.append(str(claim.run_id))
        except RunLost as lost:
            log.info("run lost", reason=lost.message)
        except asyncio.CancelledError:
            log.info("run handed back")
        except Exception:
            log.exception("run could not be failed")
        finally:
            self._executions.pop(claim.run_id, None)
            self._held.discard(claim.run_id)
            self._wake.set()

    async def _execute(self, execution: Execution) -> None:
        run_id = str(execution.claim.run_id)
        # Begun before, it goes on from its first unfinished step; the epoch keeps off whoever began it.
        outcome = await self._engine.start(run_id) or await self._engine.resume(run_id)
        if outcome is None:
            raise RunLost("The run is being executed elsewhere.")
        await outcome

    async def _run(self, run_id: str) -> None:
        await run_agent(self._executions[UUID(run_id)], self._caller, self._bus)

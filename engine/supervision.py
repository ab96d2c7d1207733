"""The runs that an executor has at hand: each is seen through to its end here, or goes back to the queue."""

import asyncio
from collections.abc import Callable, KeysView
from contextlib import suppress
from contextvars import Context
from functools import partial
from uuid import UUID

import structlog

from core.errors import ErrorCode, LogUnavailable, RunLost, Unstorable
from core.turns import Turns, Urgency
from engine.agent_run import run_agent
from engine.execution import Execution
from engine.model_call import Beginning, ModelCaller
from models.database import is_transient, transaction
from models.runs import RunStatus
from services.claims import Claim
from services.run_endings import Failure, Outcome, end_abruptly, lock_owned
from streaming.bus import Bus
from streaming.event_log import EventLog
from streaming.log import publish

# How long what was cancelled may take to end.
CANCELLATION_S = 5.0
# A run over which so many executors died is taken to be the reason.
MOST_LOST_WORKERS = 5

# How many runs are begun at once: that costs most of all, and a burst of them must not hold up streams and requests.
# More are taken, some at a time, once half of these have begun.
MOST_BEGINNING = 8

_INTERNAL = Failure(ErrorCode.INTERNAL, "Something went wrong on our side; the run may be repeated.", retryable=True)
_GIVEN_UP = Failure(
    ErrorCode.INTERNAL, f"The run was given up: {MOST_LOST_WORKERS} workers died executing it.", retryable=False
)

_log = structlog.get_logger(__name__)


class Supervision:
    """``most``: how many runs it takes at once. ``freed`` is called whenever there may be places for more."""

    def __init__(
        self, caller: ModelCaller, bus: Bus, log: EventLog, turns: Turns, *, most: int, freed: Callable[[], None]
    ) -> None:
        self._caller = caller
        self._bus = bus
        self._event_log = log
        self._turns = turns
        self._most = most
        self._freed = freed
        self._supervised: dict[UUID, asyncio.Task[None]] = {}
        self._executions: dict[UUID, Execution] = {}
        # Taken, and not begun yet.
        self._beginning: set[UUID] = set()

    @property
    def run_ids(self) -> KeysView[UUID]:
        return self._supervised.keys()

    @property
    def places(self) -> int:
        """How many runs may be taken now."""
        if not self.is_half_begun:
            return 0
        return min(self._most - len(self._supervised), MOST_BEGINNING - len(self._beginning))

    @property
    def is_half_begun(self) -> bool:
        """Whether so many of the runs have begun that others may."""
        return len(self._beginning) <= MOST_BEGINNING // 2

    def take(self, claim: Claim) -> None:
        """Execute a claimed run."""
        self._beginning.add(claim.run_id)
        self._supervised[claim.run_id] = asyncio.create_task(self._supervise(claim))

    def take_new(self, claim: Claim, writing: asyncio.Task[Beginning | None]) -> None:
        """Execute a run once it is written: ``writing`` comes to how its `execution` has begun, or to None, if it is to
        be forgotten.
        """
        self._beginning.add(claim.run_id)
        # In an empty context, as it outlives the request.
        self._supervised[claim.run_id] = asyncio.create_task(self._supervise_new(claim, writing), context=Context())

    def execution(self, claim: Claim) -> Execution:
        """What a taken run is executed as."""
        writer = self._event_log.writer(claim.run_id, claim.workspace_id, claim.epoch)
        execution = Execution(claim, writer, begun=partial(self._begun, claim.run_id))
        self._executions[claim.run_id] = execution
        return execution

    def cancel(self, run_id: UUID) -> None:
        """Cancel a run, if it is at hand."""
        execution = self._executions.get(run_id)
        if execution is not None:
            execution.cancel()

    async def stop(self, grace_s: float) -> None:
        """Give the runs at hand ``grace_s`` seconds to end, and interrupt those that do not."""
        if self._supervised:
            await asyncio.wait(self._supervised.values(), timeout=grace_s)
        supervised = list(self._supervised.values())
        for task in supervised:
            task.cancel()
        if supervised:
            await asyncio.wait(supervised, timeout=CANCELLATION_S)

    def _begun(self, run_id: UUID) -> None:
        self._beginning.discard(run_id)
        if len(self._beginning) == MOST_BEGINNING // 2:
            self._freed()

    def _forget(self, run_id: UUID) -> None:
        self._executions.pop(run_id, None)
        self._beginning.discard(run_id)
        del self._supervised[run_id]
        self._freed()

    async def _supervise_new(self, claim: Claim, writing: asyncio.Task[Beginning | None]) -> None:
        begun = None
        try:
            with suppress(Exception):  # which meets whoever starts the run
                begun = await asyncio.shield(writing)
        finally:
            # Who stops meanwhile has something to give back once it is written.
            await asyncio.wait([writing])
            if begun is None:
                self._forget(claim.run_id)
        if begun is not None:
            await self._supervise(claim, begun)

    async def _supervise(self, claim: Claim, begun: Beginning | None = None) -> None:
        """See one claimed run through to its end here. What does not end goes back to the queue with the next sweep.

        ``begun``: how it has begun, if it was new.
        """
        log = _log.bind(run_id=str(claim.run_id), workspace_id=str(claim.workspace_id))
        try:
            try:
                await self._execute(claim, begun)
            except (RunLost, LogUnavailable):
                raise
            except Exception as error:
                if is_transient(error):
                    raise
                log.exception("run failed unexpectedly")
                await self._fail(claim, _INTERNAL)
        except RunLost as lost:
            log.info("run lost", reason=lost.message)
        except asyncio.CancelledError:
            log.info("run handed back")
            raise
        except Exception as error:
            log.warning("run interrupted; it will be resumed", error=repr(error), exc_info=not is_transient(error))
        finally:
            self._forget(claim.run_id)

    async def _execute(self, claim: Claim, begun: Beginning | None) -> None:
        if claim.run.lost_workers >= MOST_LOST_WORKERS:
            await self._fail(claim, _GIVEN_UP)
            return
        if begun is None:
            await self._turns.take(Urgency.BEGIN)
        execution = self._executions[claim.run_id] if begun else self.execution(claim)
        await run_agent(execution, self._caller, self._bus, begun)

    async def _fail(self, claim: Claim, failure: Failure) -> None:
        if execution := self._executions.get(claim.run_id):
            # What can't be stored may be what it fails for.
            with suppress(Unstorable):
                await execution.writer.flush()
        async with transaction([claim.workspace_id]) as connection:
            run = await lock_owned(connection, claim.run_id, claim.epoch)
            events = await end_abruptly(connection, run, Outcome(RunStatus.FAILED, failure=failure))
        await publish(self._bus, events)

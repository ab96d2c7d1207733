"""Takes runs from the queue, to be executed in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from uuid import UUID, uuid4

import structlog

from core.settings import Settings
from core.ticks import FEW_STREAMS
from core.turns import Turns
from engine.housekeeping import keep_house
from engine.model_call import Beginning, ModelCaller
from engine.supervision import Supervision
from models.notifications import Notification, listen
from models.runs import Run
from models.standing import Standing
from models.writes import Writes
from providers.registry import Providers
from services import claims, provider_credentials
from services.cancellations import take_away
from services.claims import Claim, Limits
from services.doorbell import Doorbell
from services.provider_credentials import Seen
from streaming.bus import Bus
from streaming.event_log import EventLog

# How often to look for work that no notification told of.
SWEEP_S = 1.0
# Who lost its own lock may not be the only one: so long others have to take theirs again before they count as dead.
RETURN_S = 3.0

_log = structlog.get_logger(__name__)


class Executor:
    """One per process. Its id is new at each start, and held by an advisory lock for as long as it lives."""

    def __init__(
        self, settings: Settings, providers: Providers, bus: Bus, log: EventLog, doorbell: Doorbell, turns: Turns
    ) -> None:
        self.id = uuid4().hex
        self._doorbell = doorbell
        self._settings = settings
        self._bus = bus
        self._providers = providers
        self._wake = asyncio.Event()
        self._caller = ModelCaller(settings, providers, bus)
        most = settings.run_concurrency
        self._at_hand = Supervision(self._caller, bus, log, turns, most=most, freed=self._wake.set)
        self._limits = Limits(settings.workspace_run_concurrency, settings.agent_run_concurrency)
        # Whether there are runs in the queue, as somebody said.
        self._told = False
        # Whether there were none when somebody looked last, and nobody has said so since.
        self._queue_is_empty = False
        # Whether runs are being claimed, or given back to the queue; and whether a new one is being written.
        self._is_looking, self._is_writing = True, False
        # Whether others can see that we live.
        self._alive = Standing()

    async def start(self) -> None:
        """Connect, and begin to take runs."""
        told = (Notification.RUN_QUEUED, Notification.RUN_CANCEL_REQUESTED)
        listening = listen(self._settings.database_url, told, self._heard, self._alive, holder=self.id)
        self._listening = asyncio.create_task(listening)
        self._claiming = asyncio.create_task(self._claim_for_ever())
        self._doorbell.answered_by(self.id, self._look, self._begin_new)
        self._warming_up = asyncio.create_task(self._warm_up())
        self._housekeeping = asyncio.create_task(keep_house())

    async def stop(self, grace_s: float) -> None:
        """Take no more runs, give those at hand ``grace_s`` seconds, and hand the rest back to the queue."""
        await _cancelled(self._claiming)
        await _cancelled(self._housekeeping)
        await self._at_hand.stop(grace_s)
        try:
            await claims.requeue_others(self.id, working_on=())
        except Exception as error:
            # Once our lock is gone, others take what we still hold.
            _log.warning("could not hand runs back", error=repr(error))
        finally:
            await _cancelled(self._warming_up)
            await _cancelled(self._listening)

    async def _warm_up(self) -> None:
        """Have at hand what the workspaces' providers need, before the first run that calls one."""
        try:
            await self._providers.warm_up(await provider_credentials.providers_in_use())
        except Exception as error:
            _log.warning("could not load providers ahead of their first call", error=repr(error))

    def _heard(self, notification: Notification, payload: str) -> None:
        match notification:
            case Notification.RUN_QUEUED:
                if payload != self.id:
                    self._look()
            case Notification.RUN_CANCEL_REQUESTED:
                self._at_hand.cancel(UUID(payload))

    async def _claim_for_ever(self) -> None:
        sweep_at = 0.0
        now = asyncio.get_running_loop().time
        while True:
            # Nobody may take us for dead while we take runs.
            await self._alive.wait()
            self._is_looking = True
            await _tried(self._claim)
            # Whatever ails it, runs are taken: those first, for which somebody waits.
            if now() >= sweep_at:
                sweep_at = now() + SWEEP_S
                await _tried(self._sweep)
            self._is_looking = False
            # Not wait_for, which up to Python 3.11 loses a cancellation that comes just as it is done.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(sweep_at):
                    await self._wake.wait()

    def _look(self) -> bool:
        """Have the queue looked at; whether that is done at once, and there are places."""
        self._told, self._queue_is_empty = True, False
        self._wake.set()
        return self._alive.is_set() and not self._claiming.done() and self._at_hand.places > 0

    async def _claim(self) -> None:
        self._wake.clear()
        told, self._told = self._told, False
        places = self._at_hand.places
        if places <= 0:
            return
        if not told and not await claims.is_any_queued():
            self._queue_is_empty = not self._told
            return
        taken = await claims.claim(self.id, places, self._limits, working_on=self._at_hand.run_ids)
        for claim in taken:
            self._at_hand.take(claim)
        if len(taken) == places and self._at_hand.is_half_begun:
            # There may be more, and others have begun meanwhile.
            self._wake.set()

    async def _begin_new(self, run: Run, writes: Writes, credential: Seen) -> bool:
        """See `services.doorbell.Begin`: one run at a time, where few are at hand and the queue needs no looking at."""
        stands_by = self._alive.is_set() and not (self._is_looking or self._claiming.done())
        # With more at hand a new one goes through the queue, of which one statement takes several.
        stands_by &= len(self._at_hand.run_ids) < FEW_STREAMS
        if not stands_by or not self._queue_is_empty or self._is_writing or self._at_hand.places <= 0:
            return False
        self._is_writing = True
        claim = claims.claim_of_new(run, self.id)
        # In an empty context, as it outlives the request.
        writing = asyncio.create_task(self._write_new(claim, writes.copy(), credential), context=Context())
        writing.add_done_callback(self._written)
        # Before it is written, so that no sweep gives it back to the queue.
        self._at_hand.take_new(claim, writing)
        return await asyncio.shield(writing) is not None

    async def _write_new(self, claim: Claim, writes: Writes, credential: Seen) -> Beginning | None:
        """Write a new run as one that has begun here, if it may."""
        try:
            begun = await self._caller.prepare(self._at_hand.execution(claim), writes, credential)
        except Exception as error:
            # Who claims it from the queue meets that again.
            _log.warning("a new run cannot begin at once", run_id=str(claim.run_id), error=repr(error))
            return None
        is_written = await claims.write_claimed(writes, claim, self._limits)
        self._queue_is_empty &= is_written
        return begun if is_written else None

    def _written(self, _writing: object) -> None:
        self._is_writing = False

    async def _sweep(self) -> None:
        if asyncio.get_running_loop().time() - self._alive.since >= RETURN_S:
            dead = await claims.requeue_dead(self.id)
            if dead:
                _log.warning("took over the runs of dead executors", run_ids=[str(run_id) for run_id in dead])
        await claims.requeue_others(self.id, working_on=self._at_hand.run_ids)
        for request in await claims.cancel_requests():
            self._at_hand.cancel(request.run_id)
            if request.overdue:
                await take_away(self._bus, request.run_id, request.workspace_id)


async def _tried(look: Callable[[], Awaitable[None]]) -> None:
    try:
        await look()
    except Exception as error:
        _log.warning("could not look for runs; trying again", error=repr(error))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])

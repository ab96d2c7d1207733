"""Cancelling runs: executors are asked to stop theirs, and lose them when they do not."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import structlog

from core.errors import Conflict, NotFound
from core.events import LoggedEvent
from core.permissions import Permission
from core.principals import Principal
from models.database import Connection, seen_by, transaction
from models.notifications import Notification, notify
from models.runs import Run, RunStatus
from services.run_endings import Outcome, end_abruptly
from streaming.bus import Bus
from streaming.follow import follow
from streaming.log import last_seq, publish

# How long an executor has to confirm that it stopped, before the run is taken away from it.
RECEIPT_S = 2.0

_PATH = ("input", "runId")

_log = structlog.get_logger(__name__)


async def cancel(principal: Principal, bus: Bus, run_id: UUID) -> Run:
    """Cancel a run, and return it once it is CANCELLED; cancelling it again changes nothing.

    Raises:
        NotFound: there is no such run for the caller. Forbidden: the caller's role is below EDITOR.
        Conflict: the run ended otherwise.
    """
    async with seen_by(principal) as connection:
        run = await Run.select_for_update(no_key=True).get_or_none(id=run_id)
        if run is None:
            raise NotFound("There is no run with this id.", _PATH)
        principal.require(run.workspace_id, Permission.RUN, _PATH)
        events = await request_cancel(connection, run)
        seen = await last_seq(connection, run.id)
    await publish(bus, events)
    if not run.status.is_final:
        await _await_end(bus, run, seen)
        async with transaction([run.workspace_id]):
            run = await Run.get(id=run_id)
    if run.status is not RunStatus.CANCELLED:
        raise Conflict(f"The run is over: {run.status.value}.", _PATH)
    return run


async def request_cancel(connection: Connection, run: Run) -> list[LoggedEvent]:
    """Cancel a queued run, or ask the executor of another one to stop; does nothing to a run that is over.

    The transaction of ``connection`` holds the run's lock; the events are to be published after its commit.
    """
    if run.status is RunStatus.QUEUED:
        return await end_abruptly(connection, run, Outcome(RunStatus.CANCELLED))
    if not run.status.is_final:
        run.cancel_requested_at = run.cancel_requested_at or datetime.now(UTC)
        await run.save(update_fields=["cancel_requested_at"])
        await notify(connection, Notification.RUN_CANCEL_REQUESTED, str(run.id))
    return []


async def take_away(bus: Bus, run_id: UUID, workspace_id: UUID) -> None:
    """Cancel a run over the head of its executor; does nothing to a run that is over."""
    async with transaction([workspace_id]) as connection:
        run = await Run.select_for_update(no_key=True).get(id=run_id)
        if run.status.is_final:
            return
        _log.warning("executor did not confirm the cancellation; taking the run away", run_id=str(run_id))
        events = await end_abruptly(connection, run, Outcome(RunStatus.CANCELLED))
    await publish(bus, events)


async def _await_end(bus: Bus, run: Run, seen: int) -> None:
    try:
        async with asyncio.timeout(RECEIPT_S), aclosing(follow(bus, run.id, run.workspace_id, seen)) as events:
            async for _ in events:
                pass
    except TimeoutError:
        await take_away(bus, run.id, run.workspace_id)

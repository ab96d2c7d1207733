"""Who works on which run: PostgreSQL decides, executors ask.

An executor proves that it lives by the advisory lock of its id (`models.notifications.listen`). Claiming a run raises
its epoch, and every write that an executor makes for a run requires the epoch that it claimed it with.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.database import fetch, transaction
from models.notifications import Notification, notify

# One claim at a time, so that no two executors take runs of one thread, or go past a limit, between them.
_CLAIM_LOCK = 0x434C4149

_CLAIM = """
WITH next AS (
    SELECT r.id FROM runs r
    WHERE r.status = 'QUEUED' AND NOT EXISTS (
        SELECT FROM runs ahead WHERE ahead.thread_id = r.thread_id
        AND (ahead.status IN ('RUNNING', 'WAITING') OR (ahead.status = 'QUEUED' AND ahead.id < r.id))
    )
    AND r.id <> ALL($3)
    ORDER BY r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED
)
UPDATE runs SET status = 'RUNNING', epoch = runs.epoch + 1, executor_id = $1,
    started_at = coalesce(started_at, clock_timestamp())
FROM next WHERE runs.id = next.id
RETURNING runs.id AS run_id, runs.workspace_id, runs.epoch
"""

_REQUEUE = """
UPDATE runs SET status = 'QUEUED' WHERE status = 'RUNNING' AND executor_id = $1 AND id <> ALL($2) RETURNING id
"""

_REQUEUE_DEAD = """
WITH held AS MATERIALIZED (SELECT DISTINCT executor_id FROM runs WHERE status IN ('RUNNING', 'WAITING')),
dead AS MATERIALIZED (SELECT executor_id FROM held WHERE executor_id <> $1
                      AND pg_try_advisory_xact_lock(hashtextextended(executor_id, 0)))
UPDATE runs SET status = 'QUEUED' FROM dead WHERE runs.status = 'RUNNING' AND runs.executor_id = dead.executor_id
RETURNING runs.id
"""

_CANCEL_REQUESTS = """
SELECT id AS run_id, workspace_id, cancel_requested_at < now() - make_interval(secs => $1) AS overdue
FROM runs WHERE status IN ('RUNNING', 'WAITING') AND cancel_requested_at IS NOT NULL
"""

# Whoever asked for a cancellation waits less than this, and would have taken the run away by then.
OVERDUE_S = 5.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that an executor has taken, and the epoch in which it owns it."""

    run_id: UUID
    workspace_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A run that is to be cancelled. ``overdue``: its executor had the time to do so."""

    run_id: UUID
    workspace_id: UUID
    overdue: bool


async def claim(executor_id: str, limit: int, working_on: Collection[UUID]) -> list[Claim]:
    """Take up to ``limit`` runs whose turn it is, oldest first; of each thread one at a time.

    Others take an executor for dead when its connection broke, and give its runs back to the queue. What it is
    ``working_on`` all the same is for another to take over, or for it to finish.
    """
    async with transaction(executor=True) as connection:
        await fetch(connection, "SELECT pg_advisory_xact_lock($1)", _CLAIM_LOCK)
        rows = await fetch(connection, _CLAIM, executor_id, limit, list(working_on))
    return sorted((Claim(**row) for row in rows), key=lambda taken: taken.run_id)


async def requeue_dead(executor_id: str) -> list[UUID]:
    """Give the runs of dead executors back to the queue; ``executor_id`` is the one that asks, and lives."""
    return await _requeue(_REQUEUE_DEAD, executor_id)


async def requeue_others(executor_id: str, working_on: Collection[UUID]) -> list[UUID]:
    """Give back to the queue what ``executor_id`` holds and is not ``working_on``."""
    return await _requeue(_REQUEUE, executor_id, list(working_on))


async def _requeue(sql: str, *values: Any) -> list[UUID]:
    async with transaction(executor=True) as connection:
        run_ids = [row["id"] for row in await fetch(connection, sql, *values)]
        if run_ids:
            await notify(connection, Notification.RUN_QUEUED, "")
    return run_ids


async def cancel_requests() -> list[CancelRequest]:
    """The cancellations that no executor has confirmed yet."""
    async with transaction(executor=True) as connection:
        return [CancelRequest(**row) for row in await fetch(connection, _CANCEL_REQUESTS, OVERDUE_S)]

"""Who works on which run: PostgreSQL decides, executors ask.

An executor proves that it lives by the advisory lock of its id (`models.notifications.listen`). Claiming a run raises
its epoch, and every write that an executor makes for a run requires the epoch that it claimed it with.
"""

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from models.database import fetch, reading, transaction
from models.notifications import Notification, notify
from models.runs import Run, RunStatus
from models.writes import Writes

# Of the runs over which so many executors died, one executor has at most one at hand, so that its death tells which it
# was. The index idx_runs_suspect holds them.
SUSPECT_AFTER = 2

# One claim at a time, so that no two executors take runs of one thread, or go past a limit, between them.
_CLAIM_LOCK = 0x434C4149
# A queue fills faster than the planner's statistics follow, and going along the indexes is right whatever they say.
_PREPARE = f"""
SELECT pg_advisory_xact_lock({_CLAIM_LOCK}),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
"""

# A thread's next run: nothing of the thread is under way, or queued ahead of it.
_HAS_ITS_TURN = """NOT EXISTS (
    SELECT FROM runs busy WHERE busy.thread_id = r.thread_id AND busy.status IN ('RUNNING', 'WAITING')
) AND NOT EXISTS (
    SELECT FROM runs ahead WHERE ahead.thread_id = r.thread_id AND ahead.status = 'QUEUED' AND ahead.id < r.id
)"""

# Skips from agent to agent along the index, and looks at no more of an agent's queue than it has places left, or, where
# runs wait for others of their threads, at its first 1,000. Who has the fewest runs under way comes next.
_CLAIM = f"""
WITH RECURSIVE queue AS (
    SELECT '{UUID(int=0)}'::uuid AS workspace_id, '{UUID(int=0)}'::uuid AS agent_id
    UNION ALL
    SELECT later.workspace_id, later.agent_id FROM queue, LATERAL (
        SELECT workspace_id, agent_id FROM runs
        WHERE status = 'QUEUED' AND (workspace_id, agent_id) > (queue.workspace_id, queue.agent_id)
        ORDER BY workspace_id, agent_id LIMIT 1
    ) later
), under_way AS MATERIALIZED (
    SELECT workspace_id, agent_id, count(*) AS count FROM runs WHERE status = 'RUNNING' GROUP BY workspace_id, agent_id
), agent AS (
    SELECT workspace_id, agent_id,
        $4 - (SELECT coalesce(sum(count), 0) FROM under_way WHERE workspace_id = queue.workspace_id) AS places,
        $5 - (SELECT coalesce(sum(count), 0) FROM under_way WHERE agent_id = queue.agent_id) AS agent_places
    FROM queue
), suspect AS MATERIALIZED (
    SELECT id FROM runs r WHERE status = 'QUEUED' AND lost_workers >= {SUSPECT_AFTER} AND {_HAS_ITS_TURN}
    AND id <> ALL($3) AND NOT EXISTS (
        SELECT FROM runs WHERE executor_id = $1 AND status = 'RUNNING' AND lost_workers >= {SUSPECT_AFTER}
    )
    ORDER BY id LIMIT 1
), candidate AS (
    SELECT id, places - row_number() OVER (PARTITION BY workspace_id ORDER BY id) AS places_left
    FROM agent, LATERAL (
        SELECT id FROM (
            -- A range, as equality would let the planner go along the primary key, through everybody's runs.
            SELECT id, thread_id, lost_workers FROM runs
            WHERE status = 'QUEUED' AND (workspace_id, agent_id) >= (agent.workspace_id, agent.agent_id)
                AND (workspace_id, agent_id) <= (agent.workspace_id, agent.agent_id)
            ORDER BY workspace_id, agent_id, id LIMIT 1000
        ) r
        WHERE {_HAS_ITS_TURN} AND id <> ALL($3) AND (lost_workers < {SUSPECT_AFTER} OR id IN (SELECT id FROM suspect))
        ORDER BY id LIMIT greatest(0, least(places, agent_places, $2))
    ) next
), picked AS MATERIALIZED (
    SELECT id FROM candidate WHERE places_left >= 0 ORDER BY places_left DESC, id LIMIT $2
), chosen AS MATERIALIZED (
    -- The status may have changed since. Put like this, it does not lead the planner to an index of the whole queue.
    SELECT id FROM runs WHERE id = ANY (ARRAY(SELECT id FROM picked)) AND status || '' = 'QUEUED'
    FOR UPDATE SKIP LOCKED
)
UPDATE runs SET status = 'RUNNING', epoch = runs.epoch + 1, executor_id = $1,
    started_at = coalesce(started_at, clock_timestamp())
FROM chosen WHERE runs.id = chosen.id
"""
_OPENS_THREAD = "NOT EXISTS (SELECT FROM runs r WHERE r.thread_id = runs.thread_id AND r.id < runs.id) AS opens_thread"

_REQUEUE = """
UPDATE runs SET status = 'QUEUED' WHERE status = 'RUNNING' AND executor_id = $1 AND id <> ALL($2) RETURNING id
"""

# A dead executor that had a suspect at hand died of that one, as far as the others are concerned.
_REQUEUE_DEAD = f"""
WITH held AS MATERIALIZED (SELECT DISTINCT executor_id FROM runs WHERE status IN ('RUNNING', 'WAITING')),
dead AS MATERIALIZED (SELECT executor_id FROM held WHERE executor_id <> $1
                      AND pg_try_advisory_xact_lock(hashtextextended(executor_id, 0))),
had_suspect AS MATERIALIZED (SELECT executor_id FROM runs JOIN dead USING (executor_id)
                             WHERE status = 'RUNNING' AND lost_workers >= {SUSPECT_AFTER})
UPDATE runs SET status = 'QUEUED', lost_workers = lost_workers + (
    lost_workers >= {SUSPECT_AFTER} OR runs.executor_id NOT IN (SELECT executor_id FROM had_suspect)
)::int
FROM dead WHERE runs.status = 'RUNNING' AND runs.executor_id = dead.executor_id
RETURNING runs.id
"""

# In the order of the index that holds nothing else, so that the planner takes that, whatever its statistics say.
_ANY = "SELECT id FROM runs WHERE status = 'QUEUED' ORDER BY workspace_id, agent_id, id LIMIT 1"

# Takes the lock of claims, if it is free, and looks at what there is then (migrations/synapse/7_*.py).
_MAY_BEGIN = "SELECT true AS may_begin WHERE run_may_begin($1, $2, $3, $4)"

_CANCEL_REQUESTS = """
SELECT id AS run_id, workspace_id, cancel_requested_at < now() - make_interval(secs => $1) AS overdue
FROM runs WHERE status IN ('RUNNING', 'WAITING') AND cancel_requested_at IS NOT NULL
"""

# Whoever asked for a cancellation waits less than this, and would have taken the run away by then.
OVERDUE_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Most runs that are executed at once, by all executors together: of one workspace, and of one agent."""

    per_workspace: int
    per_agent: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that an executor has taken, as it was then: its ``epoch`` is the one in which the executor owns it.

    ``opens_thread``: it is the first of its thread.
    """

    run: Run
    opens_thread: bool

    @property
    def run_id(self) -> UUID:
        return self.run.id

    @property
    def workspace_id(self) -> UUID:
        return self.run.workspace_id

    @property
    def epoch(self) -> int:
        return self.run.epoch


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A run that is to be cancelled. ``overdue``: its executor had the time to do so."""

    run_id: UUID
    workspace_id: UUID
    overdue: bool


async def is_any_queued() -> bool:
    """Whether there is something to `claim`, as far as one message to the database can tell."""
    return bool(await fetch(reading((), executor=True), _ANY))


async def claim(executor_id: str, places: int, limits: Limits, working_on: Collection[UUID]) -> list[Claim]:
    """Take up to ``places`` runs whose turn it is: of each thread one at a time, of each workspace and agent as many as
    ``limits`` let, of runs that may be what executors die of one at a time.

    The workspace with the fewest runs under way comes first, and of each workspace the oldest run. Others take an
    executor for dead when its connection broke, and give its runs back to the queue. What it is ``working_on`` all the
    same is for another to take over, or for it to finish.
    """
    sql = f"{_CLAIM} RETURNING {Run.columns()}, {_OPENS_THREAD}"
    values = (executor_id, places, list(working_on), limits.per_workspace, limits.per_agent)
    async with transaction(executor=True, first=_PREPARE) as connection:
        records = await connection.records(sql, values)
    claims = [Claim(Run.of_record(record), record["opens_thread"]) for record in records]
    return sorted(claims, key=lambda taken: taken.run_id)


def claim_of_new(run: Run, executor_id: str) -> Claim:
    """A claim of a run that is in no table yet and opens its thread: the row that `claim` would make of it."""
    row = copy(run)
    row.status, row.epoch, row.executor_id, row.started_at = RunStatus.RUNNING, 1, executor_id, datetime.now(UTC)
    return Claim(row, opens_thread=True)


async def write_claimed(writes: Writes, taken: Claim, limits: Limits) -> bool:
    """Write the run of `claim_of_new` and all else in ``writes``, in one message to the database.

    False, with nothing written, unless `claim` would take just this one if it were in the queue: where others are, or
    it would go past ``limits``. Also where somebody claims runs at this moment: nobody waits for that here.
    """
    writes.insert(taken.run)
    scope = reading([taken.workspace_id], executor=True)
    values = (taken.workspace_id, taken.run.agent_id, limits.per_workspace, limits.per_agent)
    return await writes.send_alone(scope, _MAY_BEGIN, *values)


async def requeue_dead(executor_id: str) -> list[UUID]:
    """Give the runs of dead executors back to the queue, and count that; ``executor_id`` is who asks, and lives."""
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

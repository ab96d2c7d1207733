"""The log of a run's events: the truth about what happened in it, from which every stream can be told again.

The events of a run are numbered 1, 2, 3 ... without a gap, and what is not committed is shown to nobody. The bus
only tells that there is more to read, and saves reading it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

import orjson

from core.events import LoggedEvent, RunRewound, StepStarted, TextDelta
from models.database import Reader, fetch, reading, write_log
from models.runs import Run
from models.writes import Writes
from streaming.bus import Bus
from streaming.codec import EventsMessage, decode_body, encode_rows
from streaming.deltas import StandingText

_COLUMNS = "run_id, seq, first_seq, workspace_id, step_id, type, payload, at"

# What `encode_rows` wrote.
_EVENTS = """
SELECT * FROM json_to_recordset($1) AS event (
    run_id uuid, epoch int, seq int, first_seq int, step_id uuid, type text, payload jsonb, at timestamptz
)
"""
_INSERT = f"""
INSERT INTO run_events ({_COLUMNS})
SELECT run_id, seq, first_seq, $2, step_id, type, payload, at FROM ({_EVENTS}) AS event WHERE true
"""

# The share lock holds off whoever is about to raise the epoch until we committed, and waits for one who already did.
# Run by run: planned while there are few runs, and kept, a join would compare each event with each run for ever.
_OWNED = """
SELECT run.id, run.epoch, run.workspace_id FROM said CROSS JOIN LATERAL (
    SELECT id, epoch, workspace_id FROM runs WHERE id = said.run_id AND epoch = said.epoch FOR SHARE {patience}
) AS run
"""
_INSERT_OWNED = f"""
WITH event AS (
    {_EVENTS}
), said AS (
    SELECT DISTINCT run_id, epoch FROM event ORDER BY run_id
), owned AS (
    {{owned}}
), written AS (
    INSERT INTO run_events ({_COLUMNS})
    SELECT run_id, seq, first_seq, workspace_id, step_id, type, payload, at
    FROM event JOIN owned ON (owned.id, owned.epoch) = (event.run_id, event.epoch)
    {{conflict}}
)
SELECT run_id, epoch FROM said WHERE NOT EXISTS (SELECT FROM owned WHERE (id, owned.epoch) = (run_id, said.epoch))
"""

_SELECT = "SELECT run_id, seq, first_seq, step_id, type, payload::text, at FROM run_events WHERE run_id = $1"

# The page as one value: all of it comes in one message.
_SELECT_WITH_RUN = """
SELECT {columns}, (
    SELECT coalesce(json_agg(event ORDER BY seq), '[]') FROM ({events} AND seq > $2 ORDER BY seq LIMIT $3) AS event
) AS events FROM runs WHERE id = $1
"""

Ownership = tuple[UUID, int]
"""A run's id, and the epoch in which its writer owns it."""


@lru_cache(maxsize=4096)
def channel(run_id: UUID) -> str:
    """The bus's channel for the events of a run."""
    return f"run:{run_id}"


async def publish(bus: Bus, events: Sequence[LoggedEvent]) -> None:
    """Tell followers of events that are committed, one message for each stretch of the same run's."""
    for run_id, of_run in groupby(events, key=lambda event: event.run_id):
        await tell(bus, run_id, list(of_run))


async def tell(bus: Bus, run_id: UUID, events: Sequence[LoggedEvent]) -> None:
    """Tell followers of a run of adjacent events of it that are committed, by one message."""
    await bus.publish(channel(run_id), EventsMessage(events))


def write_events(writes: Writes, workspace_id: UUID, events: Sequence[LoggedEvent]) -> None:
    """Have events of the workspace's runs written, in a transaction that holds the locks of these runs.

    Publish them after the commit.
    """
    writes.add(_INSERT, encode_rows([(event, None) for event in events]), workspace_id)


async def insert_owned(
    batch: Sequence[tuple[LoggedEvent, int]], workspace_ids: Iterable[UUID], *, skip_locked: bool, in_doubt: bool
) -> set[Ownership]:
    """Write, in a transaction of its own, those of the events whose run is one of these workspaces' and still in the
    epoch that stands beside them. The others are returned: most often there are none to tell of.

    ``skip_locked``: leave out the runs that somebody else has locked, instead of waiting. ``in_doubt``: an attempt that
    failed may have been committed all the same, so what is there already is left as it is.
    """
    events = encode_rows(batch)
    owned = _OWNED.format(patience="SKIP LOCKED" if skip_locked else "")
    owned, values = reading(workspace_ids).scoped(owned, [events])
    sql = _INSERT_OWNED.format(owned=owned, conflict="ON CONFLICT (run_id, seq) DO NOTHING" if in_doubt else "")
    rows = await write_log(sql, *values, may_wait=not skip_locked)
    return {(row["run_id"], row["epoch"]) for row in rows}


async def read(reader: Reader, run_id: UUID, after: int, limit: int) -> list[LoggedEvent]:
    """Up to ``limit`` events of a run that come after number ``after``, in order."""
    return await _read(reader, f"{_SELECT} AND seq > $2 ORDER BY seq LIMIT $3", run_id, after, limit)


async def read_with_run(reader: Reader, run_id: UUID, after: int, limit: int) -> tuple[Run, list[LoggedEvent]] | None:
    """The run, and the events that `read` would find; None where there is no such run."""
    sql = _SELECT_WITH_RUN.format(columns=Run.columns(), events=_SELECT)
    found = await reader.records(sql, (run_id, after, limit))
    if not found:
        return None
    events = []
    for row in orjson.loads(found[0]["events"]):
        row["run_id"], row["at"] = run_id, datetime.fromisoformat(row["at"])
        row["step_id"] = row["step_id"] and UUID(row["step_id"])
        events.append(_event(row))
    return Run.of_record(found[0]), events


async def last_seq(reader: Reader, run_id: UUID) -> int:
    """The number of a run's newest event; 0 when there is none."""
    rows = await fetch(reader, "SELECT coalesce(max(seq), 0) AS last FROM run_events WHERE run_id = $1", run_id)
    return int(rows[0]["last"])


async def step_started_seq(reader: Reader, run_id: UUID, step_id: UUID) -> int:
    """The number of the event that tells of a step's beginning."""
    sql = "SELECT min(seq) AS seq FROM run_events WHERE run_id = $1 AND step_id = $2 AND type = $3"
    [row] = await fetch(reader, sql, run_id, step_id, StepStarted.__name__)
    return int(row["seq"])


async def standing_text(reader: Reader, run_id: UUID) -> StandingText:
    """What a run has said so far."""
    types = [TextDelta.__name__, RunRewound.__name__]
    return StandingText(await _read(reader, f"{_SELECT} AND type = ANY($2) ORDER BY seq", run_id, types))


async def _read(reader: Reader, sql: str, *values: object) -> list[LoggedEvent]:
    return [_event(row) for row in await fetch(reader, sql, *values)]


def _event(row: Mapping[str, Any]) -> LoggedEvent:
    return LoggedEvent(
        run_id=row["run_id"],
        seq=row["seq"],
        first_seq=row["first_seq"],
        at=row["at"],
        step_id=row["step_id"],
        body=decode_body(row["type"], row["payload"]),
    )

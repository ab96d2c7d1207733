"""Usage figures: computed in SQL, exactly, from the rows of runs and model calls."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.errors import ValidationFailed
from core.ids import IdPrefix, encode
from models.agents import Agent
from models.api_keys import ApiKey
from models.database import Connection, fetch

MAX_BUCKETS = 1_000
NO_API_KEY = "No API key"


class UsageInterval(StrEnum):
    """The width of a bucket of a time series; buckets begin on the minute, hour or day of UTC."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def width(self) -> timedelta:
        return {"MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1), "DAY": timedelta(days=1)}[self]


class UsageDimension(StrEnum):
    """What figures can be split by."""

    AGENT = "AGENT"
    MODEL = "MODEL"
    PROVIDER = "PROVIDER"
    API_KEY = "API_KEY"
    STATUS = "STATUS"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in milliseconds, interpolated linearly between the two nearest measurements."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums over some runs and model calls. The percentiles are None where nothing was measured."""

    runs: int = 0
    failed_runs: int = 0
    llm_calls: int = 0
    cached_llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    run_duration_ms: Percentiles | None = None
    time_to_first_token_ms: Percentiles | None = None


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """The figures of one bucket, which begins ``at``."""

    at: datetime
    totals: UsageTotals


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """The figures of one agent, model ...: ``key`` tells it apart, ``label`` is for reading."""

    key: str
    label: str
    totals: UsageTotals


@dataclass(frozen=True, slots=True)
class UsageReport:
    """``series`` has every bucket of the range, oldest first; ``groups`` the dearest first."""

    totals: UsageTotals
    series: list[UsagePoint]
    groups: list[UsageGroup]


# What figures are of: (None, None) everything, (bucket, None) one bucket, (None, key) one group.
_Slice = tuple[datetime | None, str | None]
_Figures = dict[_Slice, UsageTotals]

_CALL_KEYS = {
    UsageDimension.AGENT: "c.agent_id::text",
    UsageDimension.MODEL: "c.model",
    UsageDimension.PROVIDER: "upper(c.provider)",
    UsageDimension.API_KEY: "coalesce(r.api_key_id::text, '')",
    UsageDimension.STATUS: "r.status",
}
_RUN_KEYS = {
    UsageDimension.AGENT: "r.agent_id::text",
    UsageDimension.API_KEY: "coalesce(r.api_key_id::text, '')",
    UsageDimension.STATUS: "r.status",
}
_ID_PREFIXES = {UsageDimension.AGENT: IdPrefix.AGENT, UsageDimension.API_KEY: IdPrefix.API_KEY}
# Without a dimension: a group that is the total once more.
_NO_KEY = "NULL"

# The join costs nothing unless the key needs it: PostgreSQL drops a left join on a primary key that nobody reads.
_CALLS = """
SELECT bucket, key, count(*) AS llm_calls, count(*) FILTER (WHERE cached) AS cached_llm_calls,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY time_to_first_token_ms) AS time_to_first_token_ms
FROM (
    SELECT date_trunc($4::text, c.started_at, 'UTC') AS bucket, {key}::text AS key, c.cached, c.input_tokens,
           c.output_tokens, c.cost_usd, c.time_to_first_token_ms
    FROM llm_calls c LEFT JOIN runs r ON r.id = c.run_id
    WHERE c.workspace_id = $1 AND c.started_at >= $2 AND c.started_at < $3
) AS call
GROUP BY GROUPING SETS ((), (bucket), (key))
"""

_RUN_FIGURES = """
count(*) AS runs, count(*) FILTER (WHERE status = 'FAILED') AS failed_runs,
percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
    ORDER BY extract(epoch FROM finished_at - started_at)::double precision * 1000
) AS run_duration_ms
"""

_RUNS = f"""
SELECT bucket, key, {_RUN_FIGURES}
FROM (
    SELECT date_trunc($4::text, r.created_at, 'UTC') AS bucket, {{key}}::text AS key, r.status, r.started_at,
           r.finished_at
    FROM runs r WHERE r.workspace_id = $1 AND r.created_at >= $2 AND r.created_at < $3
) AS run
GROUP BY GROUPING SETS ((), (bucket), (key))
"""

# A run belongs to each group that has a call of it, once.
_RUNS_BY_CALLS = f"""
SELECT NULL::timestamptz AS bucket, key, {_RUN_FIGURES}
FROM (
    SELECT DISTINCT {{key}}::text AS key, c.run_id
    FROM llm_calls c WHERE c.workspace_id = $1 AND c.started_at >= $2 AND c.started_at < $3
) AS used JOIN runs r ON r.id = used.run_id
GROUP BY key
"""


async def report(
    connection: Connection,
    workspace_id: UUID,
    start: datetime,
    end: datetime,
    interval: UsageInterval,
    group_by: UsageDimension | None,
) -> UsageReport:
    """The workspace's figures over [``start``, ``end``): runs count when they were created, calls when they started.

    Both ends are in UTC. ``interval``: the width of the buckets of the series, the first of which may begin before
    ``start``, yet counts nothing before it. ``group_by``: what to split the figures by; None for no groups.

    By model or provider, a run counts in each group that it made a call of within the range, so the runs of such groups
    may sum to more than the total.

    Raises:
        ValidationFailed: the range is empty, or has more than ``MAX_BUCKETS`` buckets.
    """
    buckets = _buckets(start, end, interval)
    figures = await _figures(connection, (workspace_id, start, end), interval, group_by)
    labels = await _labels(workspace_id, {key for _, key in figures if key is not None}, group_by)
    groups = [_group(key, label, figures[None, key], group_by) for key, label in labels.items()]
    return UsageReport(
        totals=figures[None, None],
        series=[UsagePoint(bucket, figures.get((bucket, None), UsageTotals())) for bucket in buckets],
        groups=sorted(groups, key=_dearest_first),
    )


def _buckets(start: datetime, end: datetime, interval: UsageInterval) -> list[datetime]:
    if start >= end:
        raise ValidationFailed("The range must begin before it ends.", ("from",))
    # Whole minutes, hours and days of UTC are multiples of their width since the epoch.
    first = start - (start - datetime.fromtimestamp(0, UTC)) % interval.width
    count = -((first - end) // interval.width)
    if count > MAX_BUCKETS:
        raise ValidationFailed(
            f"The range has {count:,} buckets of one {interval.lower()}; the most is {MAX_BUCKETS:,}.", ("interval",)
        )
    return [first + index * interval.width for index in range(count)]


async def _figures(
    connection: Connection,
    within: tuple[UUID, datetime, datetime],
    interval: UsageInterval,
    group_by: UsageDimension | None,
) -> _Figures:
    call_key = _CALL_KEYS[group_by] if group_by else _NO_KEY
    run_key = _RUN_KEYS.get(group_by, _NO_KEY) if group_by else _NO_KEY
    rows = await fetch(connection, _CALLS.format(key=call_key), *within, interval.lower())
    rows += await fetch(connection, _RUNS.format(key=run_key), *within, interval.lower())
    if group_by in (UsageDimension.MODEL, UsageDimension.PROVIDER):
        rows += await fetch(connection, _RUNS_BY_CALLS.format(key=call_key), *within)
    return _by_slice(rows)


def _by_slice(rows: Iterable[dict[str, Any]]) -> _Figures:
    measured: defaultdict[_Slice, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        bucket, key = row.pop("bucket"), row.pop("key")
        measured[bucket, key].update({name: value for name, value in row.items() if value is not None})
    return {part: _totals(values) for part, values in measured.items()}


def _totals(values: dict[str, Any]) -> UsageTotals:
    for name in ("input_tokens", "output_tokens"):
        if name in values:
            values[name] = int(values[name])
    for name in ("run_duration_ms", "time_to_first_token_ms"):
        if name in values:
            values[name] = Percentiles(*values[name])
    return UsageTotals(**values)


async def _labels(workspace_id: UUID, keys: set[str], group_by: UsageDimension | None) -> dict[str, str]:
    if group_by is UsageDimension.API_KEY:
        api_keys = await ApiKey.filter(workspace_id=workspace_id, id__in=keys - {""}).values_list("id", "name")
        return dict.fromkeys(keys & {""}, NO_API_KEY) | {str(key_id): str(name) for key_id, name in api_keys}
    if group_by is UsageDimension.AGENT:
        agents = await Agent.filter(workspace_id=workspace_id, id__in=keys).values_list("id", "name")
        return {str(agent_id): str(name) for agent_id, name in agents}
    return {key: key for key in keys}


def _group(key: str, label: str, totals: UsageTotals, group_by: UsageDimension | None) -> UsageGroup:
    prefix = _ID_PREFIXES.get(group_by) if group_by and key else None
    return UsageGroup(encode(prefix, UUID(key)) if prefix else key, label, totals)


def _dearest_first(group: UsageGroup) -> tuple[Decimal, int, str]:
    return -group.totals.cost_usd, -group.totals.input_tokens - group.totals.output_tokens, group.key

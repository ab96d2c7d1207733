"""Usage figures, held against a plain computation over the same random rows."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core.errors import ValidationFailed
from core.ids import IdPrefix, encode, new_id
from models.agents import Agent, AgentVersion
from models.database import transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.runs import Run, RunStatus
from models.threads import Thread
from services import usage
from services.usage import Percentiles, UsageDimension, UsageGroup, UsageInterval, UsageReport, UsageTotals
from tests.services.tenants import make_workspace

pytestmark = pytest.mark.usefixtures("pool")

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
WIDTHS = {
    UsageInterval.MINUTE: timedelta(minutes=1),
    UsageInterval.HOUR: timedelta(hours=1),
    UsageInterval.DAY: timedelta(days=1),
}
MODELS = [("local", "local/smollm2-135m"), ("openai", "openai/gpt-5"), ("openai", "openai/gpt-5-mini")]
TINY = Decimal("0.0000000001")


async def report(workspace_id: UUID, *arguments: Any) -> UsageReport:
    async with transaction([workspace_id]) as connection:
        return await usage.report(connection, workspace_id, *arguments)


@dataclass
class History:
    """What happened in a workspace."""

    workspace_id: UUID
    agents: list[Agent]
    runs: list[Run]
    calls: list[LlmCall]

    def run_of(self, call: LlmCall) -> Run:
        return next(run for run in self.runs if run.id == call.run_id)


async def make_history() -> History:
    workspace_id = await make_workspace()
    return History(workspace_id, [await add_agent(workspace_id, name) for name in ("Ada", "Bob", "Ada")], [], [])


async def add_agent(workspace_id: UUID, name: str) -> Agent:
    version_id = new_id()
    async with transaction([workspace_id]):
        agent = await Agent.create(workspace_id=workspace_id, name=name, live_version_id=version_id)
        await AgentVersion.create(
            id=version_id, workspace_id=workspace_id, agent_id=agent.id, number=1, model=MODELS[0][1], max_steps=20
        )
    return agent


def add_run(history: History, created_at: datetime, agent: int = 0, **columns: object) -> Run:
    run = Run(
        id=new_id(),
        workspace_id=history.workspace_id,
        agent_id=history.agents[agent].id,
        agent_version_id=history.agents[agent].live_version_id,
        thread_id=new_id(),
        input={},
        started_by_id=new_id(),
        created_at=created_at,
        **columns,
    )
    history.runs.append(run)
    return run


def add_call(history: History, run: Run, started_at: datetime, model: int = 0, **columns: object) -> LlmCall:
    provider, name = MODELS[model]
    call = LlmCall(
        id=new_id(),
        workspace_id=run.workspace_id,
        run_id=run.id,
        step_id=new_id(),
        agent_id=run.agent_id,
        provider=provider,
        model=name,
        status=LlmCallStatus.SUCCEEDED,
        started_at=started_at,
        **columns,
    )
    history.calls.append(call)
    return call


async def store(history: History) -> History:
    async with transaction([history.workspace_id]):
        await Thread.bulk_create(Thread(id=run.thread_id, workspace_id=run.workspace_id) for run in history.runs)
        await Run.bulk_create(history.runs)
        await LlmCall.bulk_create(history.calls)
    return history


async def random_history(seed: int, span: timedelta) -> History:
    """Runs and calls scattered around noon, a few of them outside ``span`` before and after."""
    chance = random.Random(seed)
    history = await make_history()
    for _ in range(60):
        created_at = NOON + span * chance.uniform(-1.1, 1.1)
        started_at = chance.choice([None, created_at + timedelta(milliseconds=chance.uniform(0, 900))])
        finished_at = started_at and chance.choice([None, started_at + timedelta(seconds=chance.expovariate(0.3))])
        status = chance.choice(list(RunStatus))
        run = add_run(
            history, created_at, chance.randrange(3), status=status, started_at=started_at, finished_at=finished_at
        )
        for _ in range(chance.randrange(4)):
            add_call(
                history,
                run,
                created_at + span * chance.uniform(0, 0.5),
                chance.randrange(len(MODELS)),
                cached=chance.random() < 0.3,
                input_tokens=chance.choice([0, 7, 2**33 + 1]),
                output_tokens=chance.randrange(2**40),
                cost_usd=chance.choice([Decimal(0), TINY, TINY * chance.randrange(10**15)]),
                time_to_first_token_ms=chance.choice([None, chance.uniform(5, 2_000)]),
            )
    return await store(history)


def percentiles(values: Sequence[float]) -> Percentiles | None:
    if not values:
        return None
    ordered = sorted(values)

    def at(fraction: float) -> float:
        place = fraction * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    return Percentiles(at(0.5), at(0.95), at(0.99))


def totals(runs: Sequence[Run], calls: Sequence[LlmCall]) -> UsageTotals:
    durations = [
        (run.finished_at - run.started_at).total_seconds() * 1000 for run in runs if run.finished_at and run.started_at
    ]
    waits = [call.time_to_first_token_ms for call in calls if call.time_to_first_token_ms is not None]
    return UsageTotals(
        runs=len(runs),
        failed_runs=sum(run.status is RunStatus.FAILED for run in runs),
        llm_calls=len(calls),
        cached_llm_calls=sum(call.cached for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cost_usd=sum((call.cost_usd for call in calls), Decimal(0)),
        run_duration_ms=percentiles(durations),
        time_to_first_token_ms=percentiles(waits),
    )


def assert_same(actual: UsageTotals, expected: UsageTotals) -> None:
    """Exactly the same but for the last bits of the percentiles, which are floats."""
    for field in fields(UsageTotals):
        ours, theirs = getattr(actual, field.name), getattr(expected, field.name)
        if isinstance(theirs, Percentiles):
            assert ours is not None, field.name
            assert (ours.p50, ours.p95, ours.p99) == pytest.approx((theirs.p50, theirs.p95, theirs.p99)), field.name
        else:
            assert ours == theirs, field.name


def expected_groups(
    history: History, group_by: UsageDimension, runs: Sequence[Run], calls: Sequence[LlmCall]
) -> list[UsageGroup]:
    names = {encode(IdPrefix.AGENT, agent.id): agent.name for agent in history.agents}
    key_of_run: Callable[[Run], str] = {
        UsageDimension.AGENT: lambda run: encode(IdPrefix.AGENT, run.agent_id),
        UsageDimension.API_KEY: lambda run: "",
        UsageDimension.STATUS: lambda run: run.status.value,
    }.get(group_by, lambda run: "unused")
    key_of_call: Callable[[LlmCall], str] = {
        UsageDimension.MODEL: lambda call: call.model,
        UsageDimension.PROVIDER: lambda call: call.provider.upper(),
    }.get(group_by, lambda call: key_of_run(history.run_of(call)))
    by_calls = group_by in (UsageDimension.MODEL, UsageDimension.PROVIDER)
    keys = {key_of_call(call) for call in calls} | (set() if by_calls else {key_of_run(run) for run in runs})
    groups = []
    for key in keys:
        own_calls = [call for call in calls if key_of_call(call) == key]
        callers = {call.run_id for call in own_calls}
        own_runs = [run for run in history.runs if run.id in callers] if by_calls else []
        own_runs = own_runs or [run for run in runs if key_of_run(run) == key]
        label = {UsageDimension.AGENT: names.get(key, ""), UsageDimension.API_KEY: "No API key"}.get(group_by, key)
        groups.append(UsageGroup(key, label, totals(own_runs, own_calls)))
    return sorted(groups, key=lambda g: (-g.totals.cost_usd, -g.totals.input_tokens - g.totals.output_tokens, g.key))


def within(moment: datetime, start: datetime, end: datetime) -> bool:
    return start <= moment < end


@pytest.mark.parametrize("group_by", [None, *UsageDimension])
@pytest.mark.parametrize(
    ("interval", "span"),
    [
        (UsageInterval.MINUTE, timedelta(minutes=40)),
        (UsageInterval.HOUR, timedelta(hours=60)),
        (UsageInterval.DAY, timedelta(days=25)),
    ],
)
async def test_every_figure_equals_a_plain_computation_over_the_rows(
    interval: UsageInterval, span: timedelta, group_by: UsageDimension | None
) -> None:
    history = await random_history(seed=7, span=span)
    start, end = NOON - span - timedelta(seconds=17.25), NOON + span + timedelta(seconds=3)
    runs = [run for run in history.runs if within(run.created_at, start, end)]
    calls = [call for call in history.calls if within(call.started_at, start, end)]

    figures = await report(history.workspace_id, start, end, interval, group_by)

    assert_same(figures.totals, totals(runs, calls))
    assert_series(figures, interval, runs, calls, end)
    expected = expected_groups(history, group_by, runs, calls) if group_by else []
    assert [(group.key, group.label) for group in figures.groups] == [(group.key, group.label) for group in expected]
    for group, plain in zip(figures.groups, expected, strict=True):
        assert_same(group.totals, plain.totals)


def assert_series(
    figures: UsageReport, interval: UsageInterval, runs: Sequence[Run], calls: Sequence[LlmCall], end: datetime
) -> None:
    width = WIDTHS[interval]
    starts = [point.at for point in figures.series]
    assert starts == [starts[0] + index * width for index in range(len(starts))]
    assert starts[-1] < end <= starts[-1] + width
    for point in figures.series:
        inside = point.at, point.at + width
        expected = totals(
            [run for run in runs if within(run.created_at, *inside)],
            [call for call in calls if within(call.started_at, *inside)],
        )
        assert_same(point.totals, expected)
    for name in ("runs", "failed_runs", "llm_calls", "cached_llm_calls", "input_tokens", "output_tokens", "cost_usd"):
        assert sum(getattr(point.totals, name) for point in figures.series) == getattr(figures.totals, name)


async def test_the_range_has_its_start_and_not_its_end() -> None:
    history = await make_history()
    start, end = NOON + timedelta(minutes=20), NOON + timedelta(hours=2)
    for moment in (start - timedelta(microseconds=1), start, end - timedelta(microseconds=1), end):
        add_call(history, add_run(history, moment), moment)
    await store(history)

    figures = await report(history.workspace_id, start, end, UsageInterval.HOUR, None)

    assert (figures.totals.runs, figures.totals.llm_calls) == (2, 2)
    # The first bucket begins on the hour, but counts nothing from before the range.
    assert [(point.at, point.totals.runs, point.totals.llm_calls) for point in figures.series] == [
        (NOON, 1, 1),
        (NOON + timedelta(hours=1), 1, 1),
    ]


async def test_tokens_pass_32_bits_and_money_keeps_its_tenth_decimal() -> None:
    history = await make_history()
    run = add_run(history, NOON)
    for cost in (TINY, Decimal("9999999999.9999999999")):
        add_call(history, run, NOON, input_tokens=2**31, output_tokens=2**45, cost_usd=cost)
    await store(history)

    figures = await report(history.workspace_id, NOON, NOON + timedelta(days=1), UsageInterval.DAY, None)

    assert figures.totals.input_tokens == 2**32
    assert figures.totals.output_tokens == 2**46
    assert figures.totals.cost_usd == Decimal(10_000_000_000)
    assert {type(figures.totals.input_tokens), type(figures.totals.output_tokens)} == {int}


async def test_a_run_counts_once_in_the_group_of_each_model_that_it_called() -> None:
    history = await make_history()
    run = add_run(history, NOON - timedelta(days=1), status=RunStatus.FAILED)
    for model in (1, 1, 2):
        add_call(history, run, NOON, model)
    await store(history)

    figures = await report(
        history.workspace_id, NOON, NOON + timedelta(hours=1), UsageInterval.HOUR, UsageDimension.MODEL
    )

    # The run itself is older than the range.
    assert (figures.totals.runs, figures.totals.llm_calls) == (0, 3)
    assert [(g.key, g.totals.runs, g.totals.failed_runs, g.totals.llm_calls) for g in figures.groups] == [
        ("openai/gpt-5", 1, 1, 2),
        ("openai/gpt-5-mini", 1, 1, 1),
    ]


@pytest.mark.parametrize("group_by", [None, *UsageDimension])
async def test_where_nothing_happened_every_bucket_is_there_and_empty(group_by: UsageDimension | None) -> None:
    workspace_id = await make_workspace()

    figures = await report(workspace_id, NOON, NOON + timedelta(days=2), UsageInterval.HOUR, group_by)

    assert figures.totals == UsageTotals()
    assert [point.at for point in figures.series] == [NOON + timedelta(hours=hour) for hour in range(48)]
    assert {point.totals for point in figures.series} == {UsageTotals()}
    assert figures.groups == []


async def test_another_workspace_is_not_counted() -> None:
    await random_history(seed=1, span=timedelta(hours=1))
    own = await make_history()
    add_call(own, add_run(own, NOON), NOON)
    await store(own)

    figures = await report(own.workspace_id, NOON, NOON + timedelta(days=1), UsageInterval.DAY, UsageDimension.AGENT)

    assert (figures.totals.runs, figures.totals.llm_calls) == (1, 1)
    assert [group.label for group in figures.groups] == ["Ada"]


async def test_the_number_of_statements_does_not_grow_with_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    async def statements(history: History) -> int:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
            await report(history.workspace_id, NOON, NOON + timedelta(days=1), UsageInterval.DAY, UsageDimension.AGENT)
        return len(caplog.records)

    few, many = await make_history(), await make_history()
    add_run(few, NOON)
    for agent in range(3):
        for _ in range(5):
            add_call(many, add_run(many, NOON, agent), NOON)
    assert 0 < await statements(await store(few)) == await statements(await store(many))


@pytest.mark.parametrize(
    ("start", "end", "interval", "path"),
    [
        (NOON, NOON, UsageInterval.DAY, ("from",)),
        (NOON, NOON - timedelta(microseconds=1), UsageInterval.DAY, ("from",)),
        (NOON, NOON + timedelta(minutes=1_000, microseconds=1), UsageInterval.MINUTE, ("interval",)),
        (NOON - timedelta(seconds=1), NOON + timedelta(minutes=1_000), UsageInterval.MINUTE, ("interval",)),
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), UsageInterval.DAY, ("interval",)),
    ],
)
async def test_an_empty_range_and_too_many_buckets_are_refused(
    start: datetime, end: datetime, interval: UsageInterval, path: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationFailed) as failure:
        await report(new_id(), start, end, interval, None)
    assert failure.value.path == path


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON, NOON + timedelta(days=999, hours=12)),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC) + timedelta(days=1_000)),
        (datetime.max.replace(tzinfo=UTC) - timedelta(days=999), datetime.max.replace(tzinfo=UTC)),
    ],
)
async def test_a_thousand_buckets_fit_at_either_end_of_time(start: datetime, end: datetime) -> None:
    figures = await report(await make_workspace(), start, end, UsageInterval.DAY, None)
    assert len(figures.series) == 1_000

"""Usage figures."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry

from schema.enums import publish_enum
from schema.scalars import Long
from services import usage
from services.usage import UsageDimension, UsageInterval

publish_enum(
    UsageInterval,
    "How long a bucket is.",
    MINUTE="A minute.",
    HOUR="A clock hour in UTC.",
    DAY="A day in UTC.",
)
publish_enum(
    UsageDimension,
    "What to split figures by.",
    AGENT="By agent.",
    MODEL="By model: a run counts for each model that it called.",
    PROVIDER="By provider: a run counts for each provider that it called.",
    API_KEY="By the API key that asked.",
    STATUS="By the run's status.",
)


@strawberry.type(description="Half, 95 % and 99 % of the measurements are at most this.")
class Percentiles:
    p50: float = strawberry.field(description="The median.")
    p95: float = strawberry.field(description="The 95th percentile.")
    p99: float = strawberry.field(description="The 99th percentile.")

    @classmethod
    def of(cls, figures: usage.Percentiles | None) -> Self | None:
        return cls(p50=figures.p50, p95=figures.p95, p99=figures.p99) if figures else None


@strawberry.type(
    description="Exact sums over runs, by when they were created, and over model calls, by when they began."
)
class UsageTotals:
    runs: Long = strawberry.field(description="Runs.")
    failed_runs: Long = strawberry.field(description="Runs that failed.")
    llm_calls: Long = strawberry.field(description="Calls of models, failed ones included.")
    cached_llm_calls: Long = strawberry.field(description="Calls that were answered from the cache.")
    input_tokens: Long = strawberry.field(description="Tokens that models took in.")
    output_tokens: Long = strawberry.field(description="Tokens that models put out.")
    cost_usd: Decimal = strawberry.field(description="What it cost, in US dollars.")
    run_duration_ms: Percentiles | None = strawberry.field(
        description="From start to end of finished runs, in milliseconds; null where nothing was measured."
    )
    time_to_first_token_ms: Percentiles | None = strawberry.field(
        description="Of model calls, in milliseconds; null where nothing was measured."
    )

    @classmethod
    def of(cls, totals: usage.UsageTotals) -> Self:
        return cls(
            runs=Long(totals.runs),
            failed_runs=Long(totals.failed_runs),
            llm_calls=Long(totals.llm_calls),
            cached_llm_calls=Long(totals.cached_llm_calls),
            input_tokens=Long(totals.input_tokens),
            output_tokens=Long(totals.output_tokens),
            cost_usd=totals.cost_usd,
            run_duration_ms=Percentiles.of(totals.run_duration_ms),
            time_to_first_token_ms=Percentiles.of(totals.time_to_first_token_ms),
        )


@strawberry.type(description="The figures of one bucket.")
class UsagePoint:
    at: datetime = strawberry.field(description="When the bucket begins.")
    totals: UsageTotals = strawberry.field(description="Its figures.")


@strawberry.type(description="The figures of one agent, model, provider ...")
class UsageGroup:
    key: str = strawberry.field(description="What tells the group apart: an id, a model's name ...")
    label: str = strawberry.field(description="The same for reading.")
    totals: UsageTotals = strawberry.field(description="Its figures.")


@strawberry.type(description="Figures over a time.")
class UsageReport:
    totals: UsageTotals = strawberry.field(description="Over the whole time.")
    series: list[UsagePoint] = strawberry.field(description="Bucket by bucket, oldest first, empty ones included.")
    groups: list[UsageGroup] = strawberry.field(description="Split by groupBy, the dearest first; empty without it.")

    @classmethod
    def of(cls, report: usage.UsageReport) -> Self:
        return cls(
            totals=UsageTotals.of(report.totals),
            series=[UsagePoint(at=point.at, totals=UsageTotals.of(point.totals)) for point in report.series],
            groups=[
                UsageGroup(key=group.key, label=group.label, totals=UsageTotals.of(group.totals))
                for group in report.groups
            ],
        )

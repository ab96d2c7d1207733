"""Every attempt to call a model: what it cost and how quick it was."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.base import TenantRow
from models.database import Reader, fetch
from models.runs import Run

# A common rule of thumb for English text and today's tokenizers, for when the provider does not tell.
BYTES_PER_TOKEN = 4
COST_STEP_USD = Decimal("0.0000000001")
"""What the database rounds costs to."""


class LlmCallStatus(StrEnum):
    """How an attempt ended."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class LlmCall(TenantRow):
    """One attempt at one provider. All usage figures are computed from these rows."""

    run: fields.ForeignKeyRelation[Run] = fields.ForeignKeyField("synapse.Run", related_name=False)
    run_id: UUID
    step_id = fields.UUIDField()
    agent_id = fields.UUIDField()
    provider = fields.CharField(max_length=32)
    model = fields.CharField(max_length=200, description="As in the catalogue: provider/model.")
    status = fields.CharEnumField(LlmCallStatus, max_length=16)
    cached = fields.BooleanField(default=False)
    input_tokens = fields.BigIntField(default=0)
    output_tokens = fields.BigIntField(default=0)
    cached_tokens = fields.BigIntField(default=0)
    cost_usd = fields.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    failure_code = fields.CharField(max_length=32, null=True)
    failure_message: str | None = fields.TextField(null=True)
    started_at = fields.DatetimeField()
    time_to_first_token_ms = fields.FloatField(null=True)
    duration_ms = fields.FloatField(null=True)
    provider_closed_at = fields.DatetimeField(null=True, description="When the connection to the provider was closed.")

    class Meta:
        table = "llm_calls"
        indexes = (("workspace_id", "started_at"), ("run_id", "id"))


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` takes."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What a run has used so far, over all its calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    llm_calls: int = 0

    def plus(self, call: LlmCall) -> "RunUsage":
        """The same with what one more call has used."""
        return RunUsage(
            self.input_tokens + call.input_tokens,
            self.output_tokens + call.output_tokens,
            self.cached_tokens + call.cached_tokens,
            self.cost_usd + call.cost_usd.quantize(COST_STEP_USD, ROUND_HALF_UP),
            self.llm_calls + 1,
        )


async def usage_of(
    connection: Reader, run_ids: Iterable[UUID], leaving_out: UUID | None = None
) -> dict[UUID, RunUsage]:
    """The usage of each of these runs; a run without calls has none of it. ``leaving_out``: a call not to count."""
    rows = await fetch(
        connection,
        """
        SELECT run_id, sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
               sum(cached_tokens)::bigint AS cached_tokens, sum(cost_usd) AS cost_usd, count(*) AS llm_calls
        FROM llm_calls WHERE run_id = ANY($1) AND id IS DISTINCT FROM $2 GROUP BY run_id
        """,
        list(run_ids),
        leaving_out,
    )
    usage = {row.pop("run_id"): RunUsage(**row) for row in rows}
    return defaultdict(RunUsage, usage)

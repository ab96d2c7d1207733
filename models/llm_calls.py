"""Every attempt to call a model: what it cost and how quick it was."""

from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.base import TenantRow
from models.runs import Run


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
    failure_message = fields.TextField(null=True)
    started_at = fields.DatetimeField()
    time_to_first_token_ms = fields.FloatField(null=True)
    duration_ms = fields.FloatField(null=True)
    provider_closed_at = fields.DatetimeField(null=True, description="When the connection to the provider was closed.")

    class Meta:
        table = "llm_calls"
        indexes = (("workspace_id", "started_at"), ("run_id", "id"))

"""The steps of a run."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields

from models.base import JsonField, TenantRow
from models.runs import Run


class StepKind(StrEnum):
    """What a step does."""

    MODEL = "MODEL"
    TOOL = "TOOL"
    APPROVAL = "APPROVAL"
    AGENT = "AGENT"
    WAIT = "WAIT"
    TRANSFORM = "TRANSFORM"
    BRANCH = "BRANCH"


class StepStatus(StrEnum):
    """Where a step stands."""

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


class RunStep(TenantRow):
    """One step; the steps of a run read in the order of their positions."""

    run: fields.ForeignKeyRelation[Run] = fields.ForeignKeyField("synapse.Run", related_name=False)
    run_id: UUID
    position = fields.IntField(description="1, 2, 3 ... within the run.")
    kind = fields.CharEnumField(StepKind, max_length=16)
    name = fields.CharField(max_length=200, description="The model, tool or workflow node that ran.")
    status = fields.CharEnumField(StepStatus, max_length=16, default=StepStatus.RUNNING)
    attempt = fields.IntField(default=1)
    input: Any = JsonField(null=True)
    output: Any = JsonField(null=True)
    failure_code = fields.CharField(max_length=32, null=True)
    failure_message: str | None = fields.TextField(null=True)
    failure_retryable = fields.BooleanField(null=True)
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "run_steps"
        unique_together = (("run_id", "position"),)

"""Runs: the durable executions of agents."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields

from models.agents import Agent, AgentVersion
from models.base import JsonField, TenantRow
from models.threads import Thread


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
ACTIVE_STATUSES = frozenset(RunStatus) - FINAL_STATUSES


class Run(TenantRow):
    """One run. ``epoch`` is the fencing token: each takeover raises it, and only the holder of the newest may write."""

    agent: fields.ForeignKeyRelation[Agent] = fields.ForeignKeyField("synapse.Agent", related_name=False)
    agent_id: UUID
    agent_version: fields.ForeignKeyRelation[AgentVersion] = fields.ForeignKeyField(
        "synapse.AgentVersion", related_name=False
    )
    agent_version_id: UUID
    thread: fields.ForeignKeyRelation[Thread] = fields.ForeignKeyField("synapse.Thread", related_name=False)
    thread_id: UUID
    status = fields.CharEnumField(RunStatus, max_length=16, default=RunStatus.QUEUED)
    input: Any = JsonField(description="An agent run's message, as a JSON string.")
    metadata: Any = JsonField(null=True)
    output_text: str | None = fields.TextField(null=True)
    output: Any = JsonField(null=True)
    failure_code = fields.CharField(max_length=32, null=True)
    failure_message: str | None = fields.TextField(null=True)
    failure_retryable = fields.BooleanField(null=True)
    epoch = fields.IntField(default=0)
    executor_id = fields.CharField(max_length=64, null=True)
    lost_workers = fields.IntField(
        default=0,
        db_default=0,
        description="How many executors died over it; those that stopped in good order don't count.",
    )
    started_by_id = fields.UUIDField(description="The principal who asked for it.")
    api_key_id: UUID | None = fields.UUIDField(null=True, description="The API key by which they did, if by one.")
    end_user_id: UUID | None = fields.UUIDField(null=True, description="Whose it is: that of the thread.")
    cancel_requested_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "runs"
        indexes = (("workspace_id", "created_at"), ("agent_id", "id"), ("thread_id", "id"))

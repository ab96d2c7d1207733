"""Agents and their immutable versions."""

from typing import Any
from uuid import UUID

from tortoise import fields

from models.base import JsonField, TenantRow


class Agent(TenantRow):
    """A named agent. What it does stands in its versions; new runs take the live one."""

    name = fields.CharField(max_length=200)
    description: str | None = fields.TextField(null=True)
    live_version_id = fields.UUIDField()
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)
    archived_at = fields.DatetimeField(null=True)

    class Meta:
        table = "agents"
        indexes = (("workspace_id", "id"),)


class AgentVersion(TenantRow):
    """One configuration of an agent: never changed once written."""

    agent: fields.ForeignKeyRelation[Agent] = fields.ForeignKeyField("synapse.Agent", related_name=False)
    agent_id: UUID
    number = fields.IntField(description="1, 2, 3 ... within the agent.")
    model = fields.CharField(max_length=200)
    fallback_models: list[str] = JsonField(default=list)
    instructions = fields.TextField(default="")
    temperature = fields.FloatField(null=True)
    max_output_tokens = fields.IntField(null=True)
    max_steps = fields.IntField()
    output_schema: dict[str, Any] | None = JsonField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "agent_versions"
        unique_together = (("agent_id", "number"),)

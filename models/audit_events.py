"""The record of who changed what in a workspace."""

from typing import Any

from tortoise import fields

from models.base import JsonField, Row, TenantRow


class AuditEvent(TenantRow):
    """One change. Written in the transaction of the change and never again: the application may only add and read.

    It names people and things as they were then, and refers to no row, so that it outlives them.
    """

    # Nobody empties the record by deleting the workspace.
    workspace: fields.ForeignKeyRelation[Row] = fields.ForeignKeyField(
        "synapse.Workspace", related_name=False, on_delete=fields.RESTRICT
    )
    at = fields.DatetimeField()
    action = fields.CharField(max_length=64)
    actor = fields.CharField(max_length=320, description="For reading: an e-mail address.")
    actor_id = fields.CharField(max_length=64, null=True, description="As the API has it: user_...")
    target_id = fields.CharField(max_length=64, null=True, description="As the API has it: member_..., agent_...")
    detail: Any = JsonField(null=True, description="before and after, each an object or null; without secrets.")

    class Meta:
        table = "audit_events"
        indexes = (("workspace_id", "id"),)

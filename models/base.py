"""What all tables share."""

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from core.ids import new_id


class Row(Model):
    """A table whose key is a UUIDv7."""

    id = fields.UUIDField(primary_key=True, default=new_id)

    class Meta:
        abstract = True


class TenantRow(Row):
    """A table whose rows belong to one workspace; row-level security shows them only inside it."""

    workspace: fields.ForeignKeyRelation[Row] = fields.ForeignKeyField("synapse.Workspace", related_name=False)
    workspace_id: UUID

    class Meta:
        abstract = True

"""Who was in a workspace once: their names stay on what they did there."""

from uuid import UUID

from tortoise import fields

from models.base import TenantRow
from models.users import User


class FormerMember(TenantRow):
    """Somebody who has left a workspace, or was removed, at least once; they may have come back."""

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("synapse.User", related_name=False)
    user_id: UUID
    left_at = fields.DatetimeField(description="The last time.")

    class Meta:
        table = "former_members"
        unique_together = (("workspace_id", "user_id"),)

"""Workspaces, the tenants, and who is in them."""

from uuid import UUID

from tortoise import fields

from core.permissions import Role
from models.base import Row, TenantRow
from models.users import User


class Workspace(Row):
    """A tenant."""

    name = fields.CharField(max_length=200)
    slug = fields.CharField(max_length=63, unique=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "workspaces"


class Membership(TenantRow):
    """A user's place in a workspace."""

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("synapse.User", related_name=False)
    user_id: UUID
    role = fields.CharEnumField(Role, max_length=16)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "memberships"
        unique_together = (("workspace_id", "user_id"),)
        indexes = (("user_id",),)

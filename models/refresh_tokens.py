"""Refresh tokens: a session is a family of them, each used once."""

from uuid import UUID

from tortoise import fields

from models.base import Row
from models.users import User


class RefreshToken(Row):
    """One token of a session. All tokens of a session share ``session_id``, which access tokens carry as ``sid``."""

    session_id = fields.UUIDField(db_index=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("synapse.User", related_name=False)
    user_id: UUID
    token_hash = fields.CharField(
        max_length=64, unique=True, description="SHA-256 (hex) of the token, which itself is not kept."
    )
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True, description="When it was exchanged for its successor.")
    revoked_at = fields.DatetimeField(null=True, description="When its session ended early.")

    class Meta:
        table = "refresh_tokens"
        indexes = (("expires_at",),)

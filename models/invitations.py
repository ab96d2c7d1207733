"""Open invitations to workspaces."""

from tortoise import fields

from core.permissions import Role
from models.base import TenantRow


class Invitation(TenantRow):
    """An invitation that nobody has accepted yet. ``email`` is normalised, as a user's is."""

    email = fields.CharField(max_length=320)
    role = fields.CharEnumField(Role, max_length=16)
    token_hash = fields.CharField(
        max_length=64, unique=True, description="SHA-256 (hex) of the token, which itself is not kept."
    )
    invited_by_id = fields.UUIDField(description="The principal whose right to give the role makes it good.")
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "invitations"
        unique_together = (("workspace_id", "email"),)

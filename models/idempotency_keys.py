"""Keys that make creating mutations safe to send again."""

from tortoise import fields

from models.base import Row


class IdempotencyKey(Row):
    """One use of a key within its scope: a workspace, or the user where there is no workspace yet."""

    scope_id = fields.UUIDField()
    key = fields.CharField(max_length=255)
    request_hash = fields.CharField(max_length=64, description="SHA-256 (hex) of the mutation's name and its input.")
    result_id = fields.UUIDField(description="What the mutation made.")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "idempotency_keys"
        unique_together = (("scope_id", "key"),)
        indexes = (("created_at",),)

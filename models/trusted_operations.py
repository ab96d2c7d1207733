"""The GraphQL documents that browser keys may run."""

from tortoise import fields

from models.base import TenantRow


class TrustedOperation(TenantRow):
    """One document of a workspace, and its SHA-256 in lower-case hex."""

    digest = fields.CharField(max_length=64)
    document = fields.TextField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "trusted_operations"
        unique_together = (("workspace_id", "digest"),)

"""The end users of workspaces: whom these serve on their own pages."""

from tortoise import fields

from models.base import TenantRow


class EndUser(TenantRow):
    """Somebody whom the workspace knows as ``external_id``."""

    external_id = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "end_users"
        unique_together = (("workspace_id", "external_id"),)

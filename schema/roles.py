"""The roles of members, as the API names them."""

from core.permissions import Role
from schema.enums import publish_enum

__all__ = ["Role"]

publish_enum(
    Role,
    "What a member may do; each role may do all that the next may.",
    OWNER="Everything, other owners included.",
    ADMIN="Manage members, keys, credentials and budgets; read the audit record.",
    EDITOR="Make and change agents and workflows, and run them.",
    VIEWER="Look.",
)

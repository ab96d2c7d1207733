"""Who calls, and what their role allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.errors import Forbidden, NotFound


class Role(StrEnum):
    """A member's role in a workspace; each may do all that the next may."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    EDITOR = "EDITOR"
    VIEWER = "VIEWER"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) <= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in caller. ``roles`` maps the id of each workspace that the caller is in to the role there."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime
    roles: Mapping[UUID, Role]

    @property
    def workspace_ids(self) -> tuple[UUID, ...]:
        return tuple(self.roles)

    def require(self, workspace_id: UUID, needed: Role, path: tuple[str, ...] = ()) -> None:
        """Raises NotFound for a workspace that the caller is not in, Forbidden for a role below ``needed``."""
        role = self.roles.get(workspace_id)
        if role is None:
            raise NotFound("There is no workspace with this id.", path)
        if not role.covers(needed):
            raise Forbidden(f"This needs the role {needed.value}; yours is {role.value}.", path)

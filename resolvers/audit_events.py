"""The audit record of a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import ValidationFailed
from core.ids import parse
from core.inputs import require_storable
from core.permissions import Permission
from models.audit_events import AuditEvent
from resolvers.context import Context
from resolvers.pages import Listing, Page, page


@dataclass(frozen=True, slots=True)
class AuditSelection:
    """Which events are wanted; what is None does not matter."""

    actions: Sequence[str] | None = None
    actor_id: str | None = None
    target_id: str | None = None
    at_after: datetime | None = None
    at_before: datetime | None = None

    def filters(self) -> tuple[tuple[str, Any], ...]:
        """The same in the words of the ORM.

        Raises:
            ValidationFailed: an id can't be one, or an action.
        """
        for name, id in (("actorId", self.actor_id), ("targetId", self.target_id)):
            if id is not None and parse(id) is None:
                raise ValidationFailed(f"{name} is not an id.", ("filter", name))
        require_storable(list(self.actions or ()), ("filter", "action"), what="An action")
        filters: dict[str, Any] = {
            "action__in": None if self.actions is None else tuple(self.actions),
            "actor_id": self.actor_id,
            "target_id": self.target_id,
            "at__gt": self.at_after,
            "at__lt": self.at_before,
        }
        return tuple((name, value) for name, value in filters.items() if value is not None)


async def of_workspace(
    context: Context, workspace_id: UUID, selection: AuditSelection, *, first: int | None, after: str | None
) -> Page[AuditEvent]:
    """The workspace's record, newest first.

    Raises:
        Forbidden: the caller's role there is below ADMIN.
    """
    context.require_principal().require(workspace_id, Permission.READ_AUDIT)
    listing = Listing(AuditEvent, "workspace_id", where=selection.filters())
    return await page(context, listing, workspace_id, first=first, after=after)


async def find(context: Context, key: UUID) -> AuditEvent | None:
    """The event; None for a caller who may not read the record that it is in."""
    row = await context.find(AuditEvent, key)
    may_see = row and context.require_principal().may(row.workspace_id, Permission.READ_AUDIT)
    return row if may_see else None

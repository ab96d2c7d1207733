"""The audit record of a workspace."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from core.ids import IdPrefix
from models.audit_events import AuditEvent as AuditEventRow
from resolvers import audit_events
from resolvers.audit_events import AuditSelection
from schema.info import Info
from schema.nodes import Node
from schema.scalars import JSON


@strawberry.type(description="A change of members, roles, keys, credentials or agents. It is never altered.")
class AuditEvent(Node, prefix=IdPrefix.AUDIT_EVENT, table=AuditEventRow):
    at: datetime = strawberry.field(description="When it was made.")
    action: str = strawberry.field(
        description="What was done, a dotted verb in the past: member.removed, agent.published ... New ones may come."
    )
    actor: str = strawberry.field(
        description="Who did it, for reading: an e-mail address, or an API key's name, as it was then."
    )
    actor_id: strawberry.ID | None = strawberry.field(description="Who did it.")
    target_id: strawberry.ID | None = strawberry.field(description="What was changed; it may be gone.")
    detail: JSON | None = strawberry.field(
        description='What changed: {"before": ..., "after": ...}, each an object or null. Secrets are masked.'
    )

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        row = await audit_events.find(info.context, key)
        return cls.of(row) if row else None


@strawberry.input(description="Which events are wanted; what is left out does not matter.")
class AuditEventFilter:
    action: list[str] | None = strawberry.field(default=None, description="Events of one of these actions.")
    actor_id: strawberry.ID | None = strawberry.field(default=None, description="What this user, or API key, did.")
    target_id: strawberry.ID | None = strawberry.field(default=None, description="What was done to this object.")
    at_after: datetime | None = strawberry.field(default=None, description="Events after this moment.")
    at_before: datetime | None = strawberry.field(default=None, description="Events before this moment.")


AuditFilter = Annotated[
    AuditEventFilter | None, strawberry.argument(description="Which events are wanted; all by default.")
]


def selection_of(filter: AuditEventFilter | None) -> AuditSelection:
    """The events that ``filter`` describes."""
    if filter is None:
        return AuditSelection()
    return AuditSelection(
        actions=filter.action,
        actor_id=filter.actor_id,
        target_id=filter.target_id,
        at_after=filter.at_after,
        at_before=filter.at_before,
    )

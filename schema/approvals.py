"""Approvals: where a run waits for a person's decision."""

from datetime import datetime
from enum import StrEnum

import strawberry

from core.ids import IdPrefix
from schema.enums import publish_enum
from schema.nodes import Node
from schema.runs import Run
from schema.scalars import JSON
from schema.workspaces import User


class ApprovalStatus(StrEnum):
    """Where an approval stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


publish_enum(
    ApprovalStatus,
    "Where an approval stands.",
    PENDING="Nobody has decided yet.",
    APPROVED="The run may go on.",
    REJECTED="The run must do without.",
    EXPIRED="Nobody decided in time.",
)


@strawberry.type(description="A decision that a run waits for.")
class Approval(Node, prefix=IdPrefix.APPROVAL):
    status: ApprovalStatus = strawberry.field(description="Where it stands.")
    run: Run = strawberry.field(description="The run that waits.")
    call_id: str | None = strawberry.field(description="As in ToolCalled; null for an approval step of a workflow.")
    tool_name: str | None = strawberry.field(description="The tool to be called; null for a workflow's approval step.")
    arguments: JSON = strawberry.field(description="The tool's arguments, or the step's input.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    expires_at: datetime | None = strawberry.field(description="When it expires; null when it never does.")
    decided_at: datetime | None = strawberry.field(description="When it was decided; null before.")
    decided_by: User | None = strawberry.field(description="Who decided; null before, and when it expired.")
    note: str | None = strawberry.field(description="What they said about it.")

"""Which runs of a list are wanted."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.runs import RunStatus
from resolvers.runs import RunSelection
from schema.enums import publish_enum

publish_enum(
    RunStatus,
    "Where a run stands.",
    QUEUED="It waits for its turn.",
    RUNNING="An executor works on it.",
    WAITING="It waits for an approval, a signal or a time.",
    SUCCEEDED="It ended with an answer.",
    FAILED="It ended without one; `failure` says why.",
    CANCELLED="Somebody cancelled it.",
)


@strawberry.input(description="Which runs are wanted; what is left out does not matter.")
class RunFilter:
    status: list[RunStatus] | None = strawberry.field(default=None, description="Runs in one of these states.")
    agent_id: strawberry.ID | None = strawberry.field(default=None, description="Runs of this agent.")
    workflow_id: strawberry.ID | None = strawberry.field(default=None, description="Runs of this workflow.")
    created_after: datetime | None = strawberry.field(default=None, description="Runs created after this moment.")
    created_before: datetime | None = strawberry.field(default=None, description="Runs created before this moment.")


Filter = Annotated[RunFilter | None, strawberry.argument(description="Which runs are wanted; all by default.")]


def selection_of(filter: RunFilter | None) -> RunSelection:
    """The runs that ``filter`` describes."""
    if filter is None:
        return RunSelection()
    return RunSelection(
        statuses=filter.status,
        agent_id=filter.agent_id,
        workflow_id=filter.workflow_id,
        created_after=filter.created_after,
        created_before=filter.created_before,
    )

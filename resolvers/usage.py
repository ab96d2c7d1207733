"""Usage of a workspace."""

from datetime import datetime
from uuid import UUID

from core.permissions import Permission
from resolvers.context import Context
from services import usage
from services.usage import UsageDimension, UsageInterval, UsageReport


async def report(
    context: Context,
    workspace_id: UUID,
    start: datetime,
    end: datetime,
    interval: UsageInterval,
    group_by: UsageDimension | None,
) -> UsageReport:
    """Figures over [start, end); see `services.usage.report`."""
    context.require_principal().require(workspace_id, Permission.READ)
    return await usage.report(workspace_id, start, end, interval, group_by)

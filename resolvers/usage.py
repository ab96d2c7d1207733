"""Usage of a workspace."""

from datetime import datetime
from uuid import UUID

from core.errors import Forbidden
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
    """Figures over [start, end); see `services.usage.report`.

    Raises:
        NotFound: no such workspace for the caller. Forbidden: they may not see its figures.
    """
    principal = context.require_principal()
    principal.require(workspace_id, Permission.READ)
    if principal.on_page:
        raise Forbidden("Figures of the whole workspace are not for its pages.")
    async with context.transaction() as connection:
        return await usage.report(connection, workspace_id, start, end, interval, group_by)

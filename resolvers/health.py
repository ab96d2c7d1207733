"""Whether the process can do its work: what a load balancer asks before it sends anybody here."""

import asyncio

import structlog

from models import migrate
from models.database import fetch, transaction
from streaming.bus import Bus

# Less than probes usually wait, so that they get to hear what is wrong.
TIMEOUT_S = 2.0
OK = "ok"

_log = structlog.get_logger(__name__)


async def readiness(bus: Bus) -> dict[str, str]:
    """What the process stands on: ``database``, ``migrations`` and ``bus``, each "ok" or what is wrong with it.

    Migrations that this version does not know are fine, as long as it can work beside the newer version.
    """
    checks = {"database": OK, "migrations": OK, "bus": OK if bus.healthy else "messages do not get through"}
    try:
        async with asyncio.timeout(TIMEOUT_S), transaction() as connection:
            applied = {row["version"] for row in await fetch(connection, migrate.APPLIED)}
    except Exception as error:
        # The reason may name hosts and roles, and anybody may ask.
        _log.warning("the database does not answer", error=repr(error))
        return checks | {"database": "no answer", "migrations": "unknown"}
    if missing := migrate.missing_from(applied):
        checks["migrations"] = f"{len(missing)} missing"
    elif migrate.left_behind_by(applied):
        checks["migrations"] = "of a newer version"
    return checks

"""What an executor clears away besides its work."""

import asyncio
import random
from uuid import UUID

import structlog

from engine.durable import DurableEngine
from services import retention

INTERVAL_S = 600.0
# What an executor remembers of runs that have just ended goes by itself, unless it dies before.
LEFTOVER_AGE_S = 3600.0
BATCH_RUNS = 500

_log = structlog.get_logger(__name__)


async def keep_house(engine: DurableEngine) -> None:
    """Delete what has expired, and what the durable engine still holds of runs that are over; again and again, until
    cancelled, at times that differ from process to process.
    """
    while True:
        await asyncio.sleep(INTERVAL_S * random.uniform(0.5, 1.0))
        try:
            await clear_away(engine)
        except Exception as error:
            _log.warning("could not clear away what has expired; trying again later", error=repr(error))


async def clear_away(engine: DurableEngine) -> None:
    """Do so once."""
    deleted = await retention.delete_expired()
    forgotten = kept = 0
    while run_ids := await engine.remembered(LEFTOVER_AGE_S, skip=kept, limit=BATCH_RUNS):
        over = await retention.over_among([UUID(run_id) for run_id in run_ids])
        await engine.forget([str(run_id) for run_id in over])
        kept += len(run_ids) - len(over)
        forgotten += len(over)
    if forgotten or any(deleted.values()):
        _log.info("cleared away what has expired", runs_of_engine=forgotten, **deleted)

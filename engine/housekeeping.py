"""What an executor clears away besides its work."""

import asyncio
import random

import structlog

from services import retention

INTERVAL_S = 600.0

_log = structlog.get_logger(__name__)


async def keep_house() -> None:
    """Delete what has expired, again and again, until cancelled, at times that differ from process to process."""
    while True:
        await asyncio.sleep(INTERVAL_S * random.uniform(0.5, 1.0))
        try:
            deleted = await retention.delete_expired()
        except Exception as error:
            _log.warning("could not clear away what has expired; trying again later", error=repr(error))
        else:
            if any(deleted.values()):
                _log.info("cleared away what has expired", **deleted)

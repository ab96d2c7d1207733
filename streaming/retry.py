"""Patience with a database that is away for a moment."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic
from typing import TypeVar

import structlog

from models.database import is_transient
from streaming.backoff import backoff_s

T = TypeVar("T")

_log = structlog.get_logger(__name__)


async def retried(attempt: Callable[[bool], Awaitable[T]], give_up_s: float) -> T:
    """What ``attempt`` returns, once the database lets it; it is told whether it was made before.

    A failure that is not `models.database.is_transient` is raised at once, others after ``give_up_s`` of them.
    """
    give_up_at = math.inf
    for failures in count():
        try:
            return await attempt(failures > 0)
        except Exception as error:
            give_up_at = min(give_up_at, monotonic() + give_up_s)
            if not is_transient(error) or monotonic() >= give_up_at:
                raise
            _log.warning("the database is away", error=repr(error))
        await asyncio.sleep(backoff_s(failures))
    raise AssertionError("count() never ends")

"""How long it takes from asking to cancel a run until its provider's connection is closed, as the provider sees it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import ceil

from core.events import TextDelta
from models.runs import Run
from tests.upstream.server import Upstream
from tests.upstream.wires import OPENAI, Wire

TOKEN_S = 0.01


async def measure_cancel(
    n: int,
    upstream: Upstream,
    start: Callable[[str], Awaitable[Run]],
    cancel: Callable[[Run], Awaitable[object]],
    wire: Wire = OPENAI,
) -> list[float]:
    """Start ``n`` runs one after another, cancel each in the midst of its answer, and return the seconds of each.

    ``start`` gets the name of a model of ``upstream`` (as the provider knows it) and queues a run on it. The clock runs
    from the call of ``cancel`` until the upstream, which lives in this process, sees its connection close.
    """
    took = []
    for _ in range(n):
        model = upstream.serve(wire.reply([TextDelta("word ")] * 10_000).pausing(TOKEN_S))
        run = await start(model)
        exchange = await upstream.exchange(model)
        await asyncio.sleep(5 * TOKEN_S)
        asked_at = time.monotonic()
        await cancel(run)
        await asyncio.wait_for(exchange.closed.wait(), 10)
        assert exchange.closed_at is not None
        took.append(exchange.closed_at - asked_at)
    return took


def percentile(seconds: list[float], share: float) -> float:
    """The least value that at least ``share`` of them do not exceed (nearest rank)."""
    return sorted(seconds)[ceil(share * len(seconds)) - 1]

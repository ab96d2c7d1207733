"""What operations cost their callers: a most for each, and a bucket for each caller that refills steadily."""

from math import ceil

from core.errors import CostExceeded, RateLimited
from resolvers.context import Context, Cost
from streaming.buckets import Rate


async def charge(context: Context, points: int) -> None:
    """Take an operation's cost from what its caller has left, and note it in ``context.cost``.

    An operation that is executed once more has it there, and is paid for.

    Raises:
        CostExceeded: no operation may cost so much.
        RateLimited: the caller has not that much left for now.
    """
    if context.cost is not None:
        return
    settings = context.runtime.settings
    if points > settings.operation_max_cost:
        raise CostExceeded("cost", settings.operation_max_cost, points)
    rate = Rate(settings.caller_burst_cost, settings.caller_cost_per_second)
    taken = await context.runtime.buckets.take(context.payer, points, rate)
    if taken.wait_s:
        message = f"The operation costs {points} points, and {taken.remaining} are left; {rate.leak} come each second."
        raise RateLimited(message, retry_after_ms=ceil(taken.wait_s * 1000))
    context.cost = Cost(points, taken.remaining, rate.leak)

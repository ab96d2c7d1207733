"""The state of a deployment: what must be again as it was once a fault is over."""

import asyncio
from dataclasses import dataclass

import asyncpg
import psutil

from models.database import open_connection
from tests.chaos.cluster import PATIENCE_S, Cluster

# Pools, caches and buffers fill up at their own pace; what leaks in each round does not stay below this for long.
MOST_GROWTH_BYTES = 30_000_000

_LEFT_OVER = """
SELECT
    (SELECT count(*) FROM runs WHERE status IN ('QUEUED', 'RUNNING', 'WAITING')) AS runs,
    (SELECT count(*) FROM llm_calls WHERE status = 'RUNNING') AS calls,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state LIKE 'idle in transaction%' AND state_change < now() - interval '1 second') AS idle_in_transaction
"""
# Those that processes hold as long as they live: claims take some too, each for the length of a transaction.
_LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND datname = current_database() AND state = 'idle'
"""


@dataclass(frozen=True)
class Condition:
    """``memory``: resident bytes by process id. ``locks``: how many advisory locks its processes hold."""

    memory: dict[int, int]
    locks: int


async def condition_of(cluster: Cluster) -> Condition:
    """How it is now; for a cluster that is at rest."""
    connection = await open_connection(cluster.database_url)
    try:
        return Condition({pid: psutil.Process(pid).memory_info().rss for pid in cluster.pids}, await _locks(connection))
    finally:
        await connection.close()


async def recovered(cluster: Cluster, before: Condition) -> list[int]:
    """Waits until nothing is left over; how much each process grew, of those that were there before.

    Raises:
        AssertionError: something stays that should not.
    """
    connection = await open_connection(cluster.database_url)
    try:
        await _nothing_left_over(connection, before)
    finally:
        await connection.close()
    after = {pid: psutil.Process(pid).memory_info().rss for pid in cluster.pids}
    growth = [after[pid] - before.memory[pid] for pid in after.keys() & before.memory.keys()]
    assert all(grown < MOST_GROWTH_BYTES for grown in growth), f"processes grew by {growth} bytes"
    return growth


async def _nothing_left_over(connection: "asyncpg.Connection[asyncpg.Record]", before: Condition) -> None:
    left_over: dict[str, int] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                left_over = dict(await connection.fetchrow(_LEFT_OVER) or {})
                left_over["locks"] = await _locks(connection) - before.locks
                if not any(left_over.values()):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"left over: {left_over}") from None


async def _locks(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    return int(await connection.fetchval(_LOCKS))

"""Reads that share a transaction, one after the other."""

import asyncio
from typing import Any

import pytest
from tortoise.exceptions import OperationalError

from models.database import fetch, is_transient, transaction
from models.reads import Reads
from models.threads import Thread
from tests.models.test_database import POOL_SIZE, all_at_once, proxy
from tests.servers.postgres_proxy import PostgresProxy
from tests.streaming.runs import make_run, make_workspace

__all__ = ["proxy"]

pytestmark = pytest.mark.usefixtures("pool")
WHICH = "SELECT pg_current_xact_id()::text AS transaction"


async def which(reads: Reads) -> Any:
    """The transaction that a turn takes place in."""
    async with reads.turn() as connection:
        return (await fetch(connection, WHICH))[0]["transaction"]


async def read_and_close(reads: Reads) -> None:
    async with reads.turn() as connection:
        await fetch(connection, "SELECT 2 AS lost")
    await reads.close()


async def fail(reads: Reads) -> None:
    async with reads.turn() as connection:
        await fetch(connection, "SELECT 1 / 0")


async def test_all_turns_are_in_one_transaction_and_see_its_scope() -> None:
    run, other = await make_run(), await make_run()
    reads = Reads(lambda: transaction([run.workspace_id]))
    first = await which(reads)
    async with reads.turn():
        assert [thread.id for thread in await Thread.all()] == [run.thread_id]
        assert not await Thread.filter(id=other.thread_id).exists()
    assert {*await asyncio.gather(*(which(reads) for _ in range(5)))} == {first}
    async with transaction([run.workspace_id]):
        added = await Thread.create(workspace_id=run.workspace_id)
    async with reads.turn():
        assert await Thread.filter(id=added.id).exists()
    await reads.close()
    assert await Reads(transaction).close() is None  # type: ignore[func-returns-value]  # nothing was read


async def test_a_turn_that_fails_spoils_no_other() -> None:
    workspace_id = await make_workspace()
    reads = Reads(lambda: transaction([workspace_id]))
    first = await which(reads)
    done = await asyncio.gather(
        which(reads), fail(reads), which(reads), fail(reads), which(reads), return_exceptions=True
    )
    assert done[0] == first
    assert all(isinstance(error, OperationalError) for error in (done[1], done[3]))
    assert len({first, done[2], done[4]}) == 3
    assert await which(reads) == done[4]
    await reads.close()


async def test_a_turn_that_outlives_its_query_ends_the_transaction(proxy: PostgresProxy) -> None:
    for _ in range(POOL_SIZE + 1):
        reads, inside, go_on = Reads(transaction), asyncio.Event(), asyncio.Event()

        async def slow(reads: Reads = reads, inside: asyncio.Event = inside, go_on: asyncio.Event = go_on) -> None:
            async with reads.turn():
                inside.set()
                await go_on.wait()

        task, late = asyncio.create_task(slow()), asyncio.create_task(which(reads))
        await inside.wait()
        await reads.close()
        go_on.set()
        await asyncio.gather(task, late)
    await all_at_once()


async def test_cancelled_turns_and_lost_connections_cost_the_pool_nothing(proxy: PostgresProxy) -> None:
    for steps in range(40):
        reads = Reads(transaction)
        tasks = [asyncio.create_task(which(reads)) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0.0001)
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[1], str)
        await reads.close()
    for statement in ("BEGIN", "SELECT 2 AS lost", "COMMIT;"):
        reads = Reads(transaction)
        proxy.lose_answer_to(statement)
        with pytest.raises(Exception) as failure:  # noqa: PT011  # of many kinds
            await read_and_close(reads)
        assert is_transient(failure.value)
        assert await which(reads)
        await reads.close()
    await all_at_once()

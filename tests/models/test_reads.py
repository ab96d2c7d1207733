"""Reads that share a transaction, one after the other."""

import asyncio
from typing import Any

import pytest
from tortoise.exceptions import OperationalError

from core.principals import Principal
from models.agents import Agent
from models.database import Guard, Reader, fetch, is_transient, reading, reading_as, seen_by, transaction
from models.reads import Reads
from models.runs import Run
from models.threads import Thread
from models.users import User
from tests.models.test_database import POOL_SIZE, all_at_once, proxy
from tests.servers.postgres_proxy import PostgresProxy
from tests.services.tenants import make_member
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
    reads = Reads(lambda: transaction([run.workspace_id]), lambda: reading([run.workspace_id]))
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
    assert await Reads(transaction, lambda: reading([])).close() is None  # type: ignore[func-returns-value]  # nothing was read


async def test_a_turn_that_fails_spoils_no_other() -> None:
    workspace_id = await make_workspace()
    reads = Reads(lambda: transaction([workspace_id]), lambda: reading([workspace_id]))
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
        reads, inside, go_on = Reads(transaction, lambda: reading([])), asyncio.Event(), asyncio.Event()

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
        reads = Reads(transaction, lambda: reading([]))
        tasks = [asyncio.create_task(which(reads)) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0.0001)
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[1], str)
        await reads.close()
    for statement in ("BEGIN", "SELECT 2 AS lost", "COMMIT;"):
        reads = Reads(transaction, lambda: reading([]))
        proxy.lose_answer_to(statement)
        with pytest.raises(Exception) as failure:  # noqa: PT011  # of many kinds
            await read_and_close(reads)
        assert is_transient(failure.value)
        assert await which(reads)
        await reads.close()
    await all_at_once()


SETTINGS = """
SELECT current_setting('app.workspace_ids', true) AS workspace_ids, current_setting('app.user_id', true) AS user_id
"""


async def two_members() -> tuple[Principal, Principal, list[Run]]:
    """Two members of workspaces of their own, and a run in each."""
    runs = [await make_run(), await make_run()]
    mine, other = [await make_member(run.workspace_id) for run in runs]
    return mine, other, runs


def reads_of(principal: Principal) -> Reads:
    return Reads(lambda: seen_by(principal), lambda: reading_as(principal))


async def test_statements_see_by_themselves_what_a_transaction_sees() -> None:
    mine, other, runs = await two_members()
    # Often enough for PostgreSQL to make a plan for all values.
    for _ in range(8):
        for principal, own in ((mine, runs[0]), (other, runs[1])):
            readers: tuple[Reader, ...] = reading_as(principal), reads_of(principal)
            for reader in readers:
                for table, key in ((Run, own.id), (Thread, own.thread_id), (Agent, own.agent_id)):
                    assert [row.id for row in await table.read(reader, "WHERE id IS NOT NULL")] == [key]
                users = await User.read(reader, "WHERE id = ANY($1)", [mine.id, other.id])
                assert [user.id for user in users] == [principal.id]
    nobody = Principal(mine.subject, {}, mine.proof, mine.expires_at)
    assert await Run.read(reading_as(nobody), "WHERE id IS NOT NULL") == []


@pytest.mark.parametrize("avoided", ["nestloop", "indexscan", "seqscan", "hashjoin", "material"])
async def test_their_scope_is_set_before_they_read_however_they_are_planned(avoided: str) -> None:
    mine, _, runs = await two_members()
    sql = "SELECT run.id FROM runs run JOIN agents ON agents.id = run.agent_id WHERE run.id = ANY($1)"
    for mode in ("force_generic_plan", "force_custom_plan"):
        async with transaction() as connection:
            await fetch(connection, f"SET LOCAL enable_{avoided} = off")
            await fetch(connection, f"SET LOCAL plan_cache_mode = {mode}")
            statement, values = reading_as(mine).scoped(sql, [[run.id for run in runs]])
            assert [record["id"] for record in await connection.records(statement, values)] == [runs[0].id]


async def test_they_leave_no_scope_behind(proxy: PostgresProxy) -> None:
    mine, _, _ = await two_members()
    for _ in range(POOL_SIZE):
        [found] = await reading_as(mine).records(SETTINGS, ())
        assert dict(found) == {"workspace_ids": str(next(iter(mine.workspace_ids))), "user_id": str(mine.id)}
        async with transaction() as connection:
            assert not any((await fetch(connection, SETTINGS))[0].values())


async def test_queries_that_read_both_ways_never_wait_for_a_second_connection(proxy: PostgresProxy) -> None:
    mine, _, _ = await two_members()

    async def query() -> list[Any]:
        reads = reads_of(mine)
        found: list[Any] = await asyncio.gather(*(Thread.read(reads, "WHERE id IS NOT NULL"), which(reads)) * 3)
        await reads.close()
        return found

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(query() for _ in range(POOL_SIZE * 5)))
    for threads, transaction_id, *rest in answers:
        assert len(threads) == 1
        assert {str(other) for other in rest[1::2]} == {transaction_id}
    await all_at_once()


async def test_a_statement_that_fails_spoils_no_other() -> None:
    mine, _, _ = await two_members()
    reads = reads_of(mine)
    for _ in range(2):
        with pytest.raises(Exception, match="division by zero"):
            await reads.records("SELECT 1 / 0", ())
        assert len(await Thread.read(reads, "WHERE id IS NOT NULL")) == 1
        await which(reads)
    await reads.close()


async def test_a_guard_goes_with_what_is_read_until_it_has_held() -> None:
    mine, _, runs = await two_members()
    guard = Guard("SELECT FROM agents WHERE id = $2 AND $1", (True, runs[0].agent_id))
    reads = Reads(lambda: seen_by(mine), lambda: reading_as(mine), guard)
    assert await Run.read(reads, "WHERE id = $1", runs[1].id) == []
    await which(reads)
    assert not guard.has_held
    await reads.close()
    # In no transaction, where it has no place.
    reads = Reads(lambda: seen_by(mine), lambda: reading_as(mine), guard)
    assert [run.id for run in await Run.read(reads, "WHERE id = $1", runs[0].id)] == [runs[0].id]
    assert guard.has_held
    guard.sql = "nothing that could be executed"
    assert len(await Run.read(reads, "WHERE id = $1", runs[0].id)) == 1
    await reads.close()


async def test_nothing_is_found_where_a_guard_fails() -> None:
    mine, _, runs = await two_members()
    # It sees what the caller sees, and nothing else.
    for guard in (Guard("SELECT FROM agents WHERE id = $1", (runs[1].agent_id,)), Guard("SELECT WHERE $1", (False,))):
        reads = Reads(lambda: seen_by(mine), lambda: reading_as(mine), guard)
        for _ in range(2):
            assert await Run.read(reads, "WHERE id = $1", runs[0].id) == []
            assert not guard.has_held
        await reads.close()

"""The pool and its transactions, when connections break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tortoise.exceptions import OperationalError

from models import database
from models.database import (
    APP_ROLE,
    IntegrityError,
    fetch,
    is_transient,
    look_up,
    reading,
    transaction,
    write_log,
)
from tests.servers.postgres_proxy import PostgresProxy

POOL_SIZE = 3


@pytest.fixture
async def proxy(database_url: str, pool: None) -> AsyncIterator[PostgresProxy]:
    """A small pool's connections go through it."""
    await database.close()
    async with PostgresProxy(database_url) as proxy:
        await database.connect(proxy.url, POOL_SIZE)
        yield proxy
        await database.close()
    await database.connect(database_url, pool_size=10)


async def one() -> int:
    async with transaction() as connection:
        return int((await fetch(connection, "SELECT 1 AS one"))[0]["one"])


async def all_at_once() -> None:
    """Succeeds when the pool has all of its connections."""
    inside = asyncio.Barrier(POOL_SIZE)

    async def hold() -> None:
        async with transaction():
            await inside.wait()

    async with asyncio.timeout(5):
        await asyncio.gather(*(hold() for _ in range(POOL_SIZE)))


async def test_timestamps_are_those_that_the_driver_reads_by_itself(pool: None, database_url: str) -> None:
    zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-12))]
    days = [timedelta(days=number) for number in (0, 1, 200_000, 730_000, 3_650_000)]
    spans = [
        day + timedelta(microseconds=number) for day in days for number in (*range(0, 86_400_000_000, 10**9 + 7), 5, 10)
    ]
    moments = [datetime(2, 1, 1, tzinfo=zone) + span for zone in zones for span in spans]
    sql = "SELECT $1::timestamptz AS one, $2::timestamptz[] AS many, NULL::timestamptz AS none"
    plain = await database.open_connection(database_url)
    expected = await plain.fetchrow(sql, moments[0], moments)
    await plain.close()
    async with transaction() as connection:
        [found] = await fetch(connection, sql, moments[0], moments)
    assert expected
    assert found == dict(expected)
    assert found["many"] == moments
    assert {moment.tzinfo for moment in found["many"]} == {UTC}


@pytest.mark.parametrize("statement", ["BEGIN;", "SELECT 1 AS one", "COMMIT;"])
async def test_a_connection_that_breaks_spoils_no_later_transaction(proxy: PostgresProxy, statement: str) -> None:
    proxy.lose_answer_to(statement)
    with pytest.raises(Exception) as failure:  # noqa: PT011  # of many kinds
        await one()
    assert is_transient(failure.value)
    assert await one() == 1
    await all_at_once()


async def test_a_cancelled_transaction_gives_its_connection_back(proxy: PostgresProxy) -> None:
    for steps in range(60):
        task = asyncio.create_task(one())
        for _ in range(steps):
            await asyncio.sleep(0.0001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await all_at_once()


async def test_nothing_of_a_transaction_is_left_to_the_next_on_its_connection(pool: None) -> None:
    everything = """
    SELECT pg_backend_pid() AS connection, current_setting('app.workspace_ids', true) AS workspace_ids,
           current_setting('app.user_id', true) AS user_id, current_setting('app.email', true) AS email,
           current_setting('app.token_hash', true) AS token_hash, current_setting('app.executor', true) AS executor,
           current_setting('app.key_rotation', true) AS key_rotation
    """
    id = uuid4()
    scope: Any = {"user_id": id, "email": "o'x@y.z", "token_hash": "\\'", "executor": True, "key_rotation": True}
    for fails in (False, True):
        with suppress(ZeroDivisionError):
            async with transaction([id, id], **scope) as connection:
                [within] = await fetch(connection, everything)
                assert within == {
                    "connection": within["connection"],
                    "workspace_ids": f"{id},{id}",
                    "user_id": str(id),
                    "email": "o'x@y.z",
                    "token_hash": "\\'",
                    "executor": "on",
                    "key_rotation": "on",
                }
                if fails:
                    raise ZeroDivisionError
        async with transaction() as connection:
            [after] = await fetch(connection, everything)
        assert after.pop("connection") == within["connection"]
        assert not any(after.values())


async def test_transactions_do_not_nest(pool: None) -> None:
    async with transaction() as connection:
        with pytest.raises(RuntimeError, match="nest"):
            await one()
        assert await fetch(connection, "SELECT 1 AS one") == [{"one": 1}]
    assert await one() == 1


async def test_only_what_another_attempt_may_cure_is_transient() -> None:
    assert all(map(is_transient, [asyncpg.DeadlockDetectedError(), ConnectionRefusedError(), TimeoutError()]))
    assert not any(map(is_transient, [IntegrityError(), OperationalError(), ValueError()]))


async def test_who_writes_the_log_has_a_connection_whatever_others_do(proxy: PostgresProxy) -> None:
    release = asyncio.Event()

    async def hold() -> None:
        async with transaction():
            with pytest.raises(RuntimeError, match="nest"):
                await write_log("SELECT 1", may_wait=False)
            await release.wait()

    holding = [asyncio.create_task(hold()) for _ in range(POOL_SIZE)]
    async with asyncio.timeout(5):
        assert await write_log("SELECT current_user::text AS role", may_wait=False) == [{"role": APP_ROLE}]
        for statement in (one(), write_log("SELECT 1", may_wait=True)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await statement
        release.set()
        await asyncio.gather(*holding)
    await all_at_once()


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_transaction_that_is_cancelled_at_any_moment_is_no_error(
    pool: None, caplog: pytest.LogCaptureFixture, times: int
) -> None:
    """Nor is one that is cancelled again while it ends, as when a socket's operation is stopped and then the socket."""

    async def work() -> None:
        async with transaction() as connection:
            await fetch(connection, "SELECT 1")

    for turns in range(40):
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(task, return_exceptions=True)
    await work()
    assert not caplog.records


async def test_a_lone_statement_sees_what_it_sets_for_itself_and_leaves_nothing(pool: None) -> None:
    scope = "SELECT set_config('app.user_id', $1, true) AS before, current_setting('app.user_id', true) AS after"
    assert await look_up(scope, "x") == [{"before": "x", "after": "x"}]
    [found] = await look_up("SELECT current_setting('app.user_id', true) AS now")
    assert not found["now"]
    async with transaction():
        with pytest.raises(RuntimeError, match="transaction"):
            await look_up("SELECT 1")


async def test_who_reads_alone_sees_the_scope_and_leaves_nothing_of_it(pool: None) -> None:
    now = "SELECT current_setting('app.workspace_ids', true) AS workspace_ids, $1::int AS number"
    ids = [uuid4(), uuid4()]
    assert await fetch(reading(ids), now, 7) == [{"workspace_ids": f"{ids[0]},{ids[1]}", "number": 7}]
    assert await fetch(reading([]), now, 7) == [{"workspace_ids": "", "number": 7}]
    [found] = await look_up(now, 7)
    assert not found["workspace_ids"]
    with pytest.raises(OperationalError):
        await fetch(reading(ids), "SELECT 1 / $1::int", 0)
    [found] = await look_up(now, 7)
    assert not found["workspace_ids"]


async def test_what_is_read_alone_takes_one_message_to_the_server(proxy: PostgresProxy) -> None:
    async def messages() -> int:
        before = proxy.messages
        assert await fetch(reading([uuid4()]), "SELECT id FROM workspaces WHERE slug = $1", "-") == []
        return proxy.messages - before

    # The first ones prepare it.
    assert [await messages() for _ in range(5)][-1] == 1


async def test_a_lone_statement_gives_its_connection_back_when_it_fails(proxy: PostgresProxy) -> None:
    for _ in range(POOL_SIZE + 1):
        proxy.lose_answer_to("SELECT 1 AS one")
        with pytest.raises(Exception) as failure:  # noqa: PT011  # of many kinds
            await look_up("SELECT 1 AS one")
        assert is_transient(failure.value)
    assert await look_up("SELECT 1 AS one") == [{"one": 1}]
    await all_at_once()


async def test_a_lone_statement_that_is_cancelled_twice_gives_its_connection_back(proxy: PostgresProxy) -> None:
    for steps in range(40):
        task = asyncio.create_task(look_up("SELECT pg_sleep(0.002)"))
        for _ in range(steps):
            await asyncio.sleep(0.0001)
        for _ in range(1 + steps % 2):
            task.cancel()
            await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await task
    await all_at_once()

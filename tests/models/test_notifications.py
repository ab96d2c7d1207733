"""Listening for notifications, on a connection that may be lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

import pytest

from models import standing
from models.database import open_connection, transaction
from models.notifications import Notification, listen, notify
from models.standing import Standing
from tests.servers.postgres_proxy import PostgresProxy


class Listener:
    """Listens, and keeps what it hears."""

    def __init__(self) -> None:
        self.holder = uuid4().hex
        self.heard: asyncio.Queue[tuple[Notification, str]] = asyncio.Queue()
        self.standing = Standing()

    async def next_about(self, payload: str) -> Notification:
        async with asyncio.timeout(5):
            while True:
                notification, said = await self.heard.get()
                if said == payload:
                    return notification

    async def is_down(self) -> bool:
        return not self.standing.is_set()

    async def stands(self) -> None:
        async with asyncio.timeout(5):
            await self.standing.wait()


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Listener]:
    listener = Listener()

    def heard(notification: Notification, payload: str) -> None:
        listener.heard.put_nowait((notification, payload))

    told = (Notification.RUN_QUEUED, Notification.RUN_CANCEL_REQUESTED)
    task = asyncio.create_task(listen(url, told, heard, listener.standing, holder=listener.holder))
    try:
        await listener.stands()
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])


async def eventually(holds: Callable[[], Awaitable[bool]], patience_s: float = 5.0) -> None:
    async with asyncio.timeout(patience_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.001)


async def lock_is_free(url: str, holder: str) -> bool:
    connection = await open_connection(url)
    try:
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", holder))
    finally:
        await connection.close()


async def tell(notification: Notification, payload: str) -> None:
    async with transaction() as connection:
        await notify(connection, notification, payload)


async def test_every_listener_hears_what_was_committed(database_url: str, pool: None) -> None:
    async with listening(database_url) as one, listening(database_url) as other:
        run_id = uuid4().hex
        with suppress(ZeroDivisionError):
            async with transaction() as connection:
                await notify(connection, Notification.RUN_QUEUED, run_id)
                raise ZeroDivisionError
        await tell(Notification.RUN_CANCEL_REQUESTED, run_id)
        for listener in (one, other):
            assert await listener.next_about(run_id) is Notification.RUN_CANCEL_REQUESTED


async def test_the_lock_is_held_while_it_listens(database_url: str) -> None:
    async with listening(database_url) as listener:
        assert not await lock_is_free(database_url, listener.holder)
    await eventually(partial(lock_is_free, database_url, listener.holder))


async def test_an_ended_connection_is_noticed_and_made_anew_at_once(database_url: str, pool: None) -> None:
    async with listening(database_url) as listener:
        connection = await open_connection(database_url)
        await connection.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
            """,
            listener.holder,
        )
        await connection.close()
        await eventually(listener.is_down, patience_s=1)
        await listener.stands()
        assert not await lock_is_free(database_url, listener.holder)
        await tell(Notification.RUN_QUEUED, listener.holder)
        assert await listener.next_about(listener.holder) is Notification.RUN_QUEUED


async def test_each_outage_begins_with_the_shortest_wait(
    database_url: str, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "RECONNECT_S", (0.05, 60.0))
    async with PostgresProxy(database_url) as proxy, listening(proxy.url) as listener:
        # Doubling each time without ever starting anew, the wait would be 25 s in the end.
        for _ in range(9):
            await proxy.close()
            await eventually(listener.is_down)
            await proxy.open()
            await listener.stands()

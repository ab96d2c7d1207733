"""Connections that are kept: whatever becomes of one, there is another."""

import asyncio
import time

import pytest

from models import standing as subject
from models.database import open_connection
from models.standing import SessionConnection, Standing, keep


async def test_one_that_is_ended_just_as_it_is_looked_at_is_made_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has read why it ends by then, and not yet that it has: it finds itself in the midst of something."""
    monkeypatch.setattr(subject, "PING_S", 0.1)
    pids: asyncio.Queue[int] = asyncio.Queue()
    stands = Standing()

    async def prepare(connection: SessionConnection) -> None:
        pids.put_nowait(connection.get_server_pid())

    keeping = asyncio.create_task(keep(database_url, prepare, stands))
    admin = await open_connection(database_url)
    async with asyncio.timeout(20):
        for _ in range(10):
            pid = await pids.get()
            await stands.wait()
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            # Nothing is read meanwhile, and then all of it at once.
            time.sleep(0.15)  # noqa: ASYNC251
        await pids.get()
        await stands.wait()
    assert not keeping.done()
    keeping.cancel()
    await asyncio.wait([keeping])
    await admin.close()

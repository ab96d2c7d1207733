"""PostgreSQL's NOTIFY and LISTEN: how processes wake one another when there is work."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

import asyncpg
import structlog

from models.database import Connection, fetch, open_connection

RECONNECT_S = (0.1, 5.0)
PING_S = 10.0

# When a machine vanishes, the server finds out within 11 s; by its system's defaults the lock would stay for 2 hours.
_KEEP_ALIVE = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"

_log = structlog.get_logger(__name__)


class Notification(StrEnum):
    """What is told: the payload of each is a run's id."""

    RUN_QUEUED = "synapse_run_queued"
    RUN_CANCEL_REQUESTED = "synapse_run_cancel_requested"


async def notify(connection: Connection, notification: Notification, payload: str) -> None:
    """Tell every listener, once the transaction of ``connection`` commits."""
    await fetch(connection, "SELECT pg_notify($1, $2)", notification.value, payload)


async def listen(
    database_url: str, holder: str, heard: Callable[[Notification, str], None], standing: asyncio.Event
) -> None:
    """Call ``heard`` for each notification, until cancelled; ``standing`` is set while the connection stands.

    As long as it stands it holds the advisory lock of ``holder``, by which others see that this process is alive. What
    was told while it was down is lost: look for oneself when it stands again.
    """
    delay = RECONNECT_S[0]
    while True:
        try:
            await _listen_once(database_url, holder, heard, standing)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            _log.warning("listening for notifications failed", error=repr(error))
        delay = RECONNECT_S[0] if standing.is_set() else min(delay * 2, RECONNECT_S[1])
        standing.clear()
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))


async def _listen_once(
    database_url: str, holder: str, heard: Callable[[Notification, str], None], standing: asyncio.Event
) -> None:
    """Returns never, but fails as soon as the connection is known to be lost."""
    connection = await open_connection(database_url)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    try:
        await connection.execute(_KEEP_ALIVE)
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", holder)
        for notification in Notification:
            await connection.add_listener(
                notification.value, lambda _connection, _pid, channel, payload: heard(Notification(channel), payload)
            )
        standing.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    await lost.wait()
            # A connection that died in silence shows only when it is used.
            await connection.execute("SELECT 1", timeout=PING_S)
    finally:
        connection.terminate()

"""PostgreSQL's NOTIFY and LISTEN: how processes wake one another when there is work."""

import asyncio
import random
from collections.abc import Callable
from enum import StrEnum

import asyncpg
import structlog

from models.database import Connection, fetch, open_connection

RECONNECT_S = (0.1, 5.0)
PING_S = 10.0

_log = structlog.get_logger(__name__)


class Notification(StrEnum):
    """What is told: the payload of each is a run's id."""

    RUN_QUEUED = "synapse_run_queued"
    RUN_CANCEL_REQUESTED = "synapse_run_cancel_requested"


async def notify(connection: Connection, notification: Notification, payload: str) -> None:
    """Tell every listener, once the transaction of ``connection`` commits."""
    await fetch(connection, "SELECT pg_notify($1, $2)", notification.value, payload)


async def listen(
    database_url: str,
    holder: str,
    heard: Callable[[Notification, str], None],
    connected: Callable[[], None],
) -> None:
    """Call ``heard`` for each notification, until cancelled; ``connected`` each time that listening (re)starts.

    What was told while the connection was down is lost: ``connected`` is the moment to look for oneself. As long as
    the connection stands it holds the advisory lock of ``holder``, by which others see that this process is alive.
    """
    delay = RECONNECT_S[0]
    while True:
        try:
            await _listen_once(database_url, holder, heard, connected)
            delay = RECONNECT_S[0]
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            _log.warning("listening for notifications failed", error=repr(error), retry_s=delay)
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(delay * 2, RECONNECT_S[1])


async def _listen_once(
    database_url: str,
    holder: str,
    heard: Callable[[Notification, str], None],
    connected: Callable[[], None],
) -> None:
    connection = await open_connection(database_url)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", holder)
        for notification in Notification:
            await connection.add_listener(
                notification.value, lambda _connection, _pid, channel, payload: heard(Notification(channel), payload)
            )
        connected()
        while not connection.is_closed():
            await asyncio.sleep(PING_S)
            # A connection that died in silence shows only when it is used.
            await connection.execute("SELECT 1", timeout=PING_S)
    finally:
        connection.terminate()

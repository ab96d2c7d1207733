"""PostgreSQL's NOTIFY and LISTEN: how processes wake one another when there is work."""

from collections.abc import Callable
from enum import StrEnum

from models.database import Connection, fetch
from models.standing import SessionConnection, Standing, keep
from models.writes import Writes

_NOTIFY = "SELECT pg_notify($1, $2)"


class Notification(StrEnum):
    """What is told: the payload of each is a run's id."""

    RUN_QUEUED = "synapse_run_queued"
    RUN_CANCEL_REQUESTED = "synapse_run_cancel_requested"


async def notify(connection: Connection, notification: Notification, payload: str) -> None:
    """Tell every listener, once the transaction of ``connection`` commits."""
    await fetch(connection, _NOTIFY, notification.value, payload)


def add_notification(writes: Writes, notification: Notification, payload: str) -> None:
    """The same, as the last of several writes."""
    writes.add(_NOTIFY, notification.value, payload)


async def listen(
    database_url: str, holder: str, heard: Callable[[Notification, str], None], standing: Standing
) -> None:
    """Call ``heard`` for each notification, until cancelled, on a connection of whose state ``standing`` tells.

    As long as it stands it holds the advisory lock of ``holder``, by which others see that this process is alive. What
    was told while it was down is lost: look for oneself when it stands again.
    """

    async def prepare(connection: SessionConnection) -> None:
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", holder)
        for notification in Notification:
            await connection.add_listener(
                notification.value, lambda _connection, _pid, channel, payload: heard(Notification(channel), payload)
            )

    await keep(database_url, prepare, standing)

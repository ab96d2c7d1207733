"""PostgreSQL's NOTIFY and LISTEN: how processes wake one another when there is work."""

from collections.abc import Callable, Collection
from enum import StrEnum

from models.database import Connection, fetch, look_up
from models.standing import SessionConnection, Standing, keep
from models.writes import Writes

_NOTIFY = "SELECT pg_notify($1, $2)"


class Notification(StrEnum):
    """What is told. The payload of RUN_CANCEL_REQUESTED is the run's id, that of RIGHTS_CHANGED the id of a user, a
    session or an API key; that of RUN_QUEUED may be the id of the one executor that knows it already.
    """

    RUN_QUEUED = "synapse_run_queued"
    RUN_CANCEL_REQUESTED = "synapse_run_cancel_requested"
    RIGHTS_CHANGED = "synapse_rights_changed"


async def notify(connection: Connection, notification: Notification, payload: str) -> None:
    """Tell every listener, once the transaction of ``connection`` commits."""
    await fetch(connection, _NOTIFY, notification.value, payload)


async def notify_alone(notification: Notification, payload: str) -> None:
    """Tell every listener, in a transaction of nothing else, which waits for no disk."""
    await look_up(_NOTIFY, notification.value, payload)


def add_notification(writes: Writes, notification: Notification, payload: str) -> None:
    """The same, as the last of several writes."""
    writes.add(_NOTIFY, notification.value, payload)


async def listen(
    database_url: str,
    notifications: Collection[Notification],
    heard: Callable[[Notification, str], None],
    standing: Standing,
    *,
    holder: str | None = None,
    begun: Callable[[], None] | None = None,
) -> None:
    """Call ``heard`` for each of ``notifications``, until cancelled, on a connection of whose state ``standing`` tells.

    What was told while the connection was down is lost: look for oneself when it stands again, of which ``begun`` is
    told as well. As long as it stands it holds the advisory lock of ``holder``, where there is one, by which others see
    that this process is alive.
    """

    async def prepare(connection: SessionConnection) -> None:
        if holder is not None:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", holder)
        for notification in notifications:
            await connection.add_listener(
                notification.value, lambda _connection, _pid, channel, payload: heard(Notification(channel), payload)
            )
        if begun is not None:
            begun()

    await keep(database_url, prepare, standing)

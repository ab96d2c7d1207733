"""Who is told that there are runs in the queue: the executor of this process directly, all others by NOTIFY."""

import asyncio
from collections.abc import Callable
from contextvars import Context

import structlog

from models.notifications import Notification, notify_alone

HEAD_START_S = 0.01
"""How much later the others are told where this process's own executor looks: by then it mostly has the run."""

_log = structlog.get_logger(__name__)


class Doorbell:
    """One per process; at most one executor answers it."""

    def __init__(self) -> None:
        self._executor_id = ""
        self._look: Callable[[], bool] = lambda: False
        self._has_rung = False
        self._telling: asyncio.Task[None] | None = None

    def answered_by(self, executor_id: str, look: Callable[[], bool]) -> None:
        """``look`` has that executor look at the queue, and says whether it does so at once; it is told in no other way
        of runs that are queued here.
        """
        self._executor_id, self._look = executor_id, look

    def ring(self) -> None:
        """There is a run in the queue, which is committed. Nobody waits for this, as executors that are not told look
        for themselves, each second.
        """
        pause_s = HEAD_START_S if self._look() else 0.0
        self._has_rung = True
        if self._telling is None:
            # In an empty context: one that is begun in a transaction would otherwise take its connection for its own.
            self._telling = asyncio.create_task(self._tell(pause_s), context=Context())

    async def _tell(self, pause_s: float) -> None:
        """Tells of all runs that are queued meanwhile together. Not in the transactions that queue them: of those that
        notify, PostgreSQL commits one at a time, and each would wait until the one before is on disk.
        """
        try:
            await asyncio.sleep(pause_s)
            while self._has_rung:
                self._has_rung = False
                await notify_alone(Notification.RUN_QUEUED, self._executor_id)
        except Exception as error:
            _log.warning("could not tell executors of a run", error=repr(error))
        finally:
            self._telling = None

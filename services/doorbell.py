"""Who is told of runs: the executor of this process directly, all others by NOTIFY once there are some in the queue."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

from models.notifications import Notification, notify_alone
from models.runs import Run
from models.writes import Writes
from services.provider_credentials import Seen

HEAD_START_S = 0.01
"""How much later the others are told where this process's own executor looks: by then it mostly has the run."""

Begin = Callable[[Run, Writes, Seen], Awaitable[bool]]
"""Writes a new run that opens its thread, with what else belongs to it, and executes it by the credential that was just
seen. False, with nothing written, where it is to go into the queue."""

_log = structlog.get_logger(__name__)


class Doorbell:
    """One per process; at most one executor answers it."""

    def __init__(self) -> None:
        self._executor_id = ""
        self._look: Callable[[], bool] = lambda: False
        self._begin: Begin | None = None
        self._has_rung = False
        self._telling: asyncio.Task[None] | None = None

    def answered_by(self, executor_id: str, look: Callable[[], bool], begin: Begin | None = None) -> None:
        """``look`` has that executor look at the queue, and says whether it does so at once; it is told in no other way
        of runs that are queued here. ``begin``: what spares a run the queue.
        """
        self._executor_id, self._look, self._begin = executor_id, look, begin

    async def begin(self, run: Run, writes: Writes, credential: Seen) -> bool:
        """See `Begin`."""
        return self._begin is not None and await self._begin(run, writes, credential)

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

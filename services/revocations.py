"""Live revocation: whoever is connected feels at once that their session has ended, that they were removed or have
fewer rights than before, or that their API key was revoked.

Whatever takes rights away says so by PostgreSQL's NOTIFY, in its own transaction, to every process that serves
clients. So none of the two happens without the other, nothing depends on Redis, and a process that was cut off from
PostgreSQL looks for itself as soon as it is back.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from uuid import UUID

from core.errors import Forbidden, Unauthenticated
from core.principals import Principal
from models.notifications import Notification, listen
from models.standing import Standing
from services import principals
from streaming.retry import retried

# How long the database may be away before its failure ends what is live.
GIVE_UP_S = 30.0
# How long rights count as known while nothing is told. A connection on which nothing can come any more is noticed
# within some seconds only.
KNOWN_S = 5.0


def rights_lost() -> Forbidden:
    """With what a subscription ends whose caller has lost rights where it tells of."""
    return Forbidden("You have fewer rights in this workspace now. Subscribe again to go on, if you still may.")


class Revocations:
    """The callers of this process who are watched. Other processes have theirs."""

    def __init__(self) -> None:
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)
        self._standing = Standing()

    @asynccontextmanager
    async def listening(self, database_url: str) -> AsyncIterator[None]:
        """Listens within the block, on a connection of its own."""
        listening = asyncio.create_task(
            listen(database_url, [Notification.RIGHTS_CHANGED], self._heard, self._standing, begun=self._look_at_all)
        )
        try:
            await self._standing.wait()
            yield
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    @contextmanager
    def watch(self, principal: Principal) -> Iterator["Watch"]:
        """Watches a caller within the block."""
        watch = Watch(principal, self._standing)
        for id in principal.depends_on:
            self._watches[id].add(watch)
        try:
            yield watch
        finally:
            for id in principal.depends_on:
                self._watches[id].remove(watch)
                if not self._watches[id]:
                    del self._watches[id]

    def _heard(self, _: Notification, id: str) -> None:
        for watch in self._watches.get(UUID(id), ()):
            watch.look()

    def _look_at_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.look()


class Watch:
    """One caller: the rights that they had, until told to look again. ``standing``: whether anything can be told."""

    def __init__(self, principal: Principal, standing: Standing) -> None:
        self._principal = principal
        self._standing = standing
        self._told = asyncio.Event()
        self._times_told = 0
        # What was found out last, and until when it counts, by the event loop's clock.
        self._known = principal
        self._known_until = -math.inf

    def look(self) -> None:
        """The caller's rights may have changed."""
        self._times_told += 1
        self._known_until = -math.inf
        self._told.set()

    async def find(self) -> Principal:
        """The caller with the rights of this moment, looked up.

        Raises:
            Unauthenticated: the session has ended; the key was revoked or has expired.
        """
        times_told, known_until = self._times_told, asyncio.get_running_loop().time() + KNOWN_S
        principal = await principals.load(self._principal.proof)
        if times_told == self._times_told:
            self._known, self._known_until = principal, known_until
        return principal

    async def recall(self) -> Principal:
        """The same without looking them up, if that was done a few seconds ago at most and nothing was told since.
        Rights that were given since need not be among them.
        """
        if self._standing.is_set() and asyncio.get_running_loop().time() < self._known_until:
            return self._known
        return await self.find()

    async def lost(self) -> frozenset[UUID]:
        """Waits until the caller has fewer rights in some workspaces than before; these.

        Raises:
            Unauthenticated: their session has ended, their token or key has expired, or the key was revoked.
        """
        life = asyncio.timeout(_seconds_until(self._principal.expires_at))
        try:
            async with life:
                while True:
                    self._told.clear()
                    before, self._principal = self._principal, await retried(self._find, GIVE_UP_S)
                    if lost := before.lost_in(self._principal):
                        return lost
                    await self._told.wait()
        except TimeoutError:
            if not life.expired():
                raise
            raise Unauthenticated(self._principal.expiry) from None
        finally:
            # A task that is cancelled here keeps this frame, and the time-out the task: a cycle.
            del life

    async def _find(self, _again: bool) -> Principal:
        return await self.find()


def _seconds_until(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()

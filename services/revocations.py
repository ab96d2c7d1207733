"""Live revocation: whoever is connected feels at once that their session has ended, that they were removed or have
fewer rights than before, or that their API key was revoked.

Whatever takes rights away says so by PostgreSQL's NOTIFY, in its own transaction, to every process that serves
clients. So none of the two happens without the other, nothing depends on Redis, and a process that was cut off from
PostgreSQL looks for itself as soon as it is back.
"""

import asyncio
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


def rights_lost() -> Forbidden:
    """With what a subscription ends whose caller has lost rights where it tells of."""
    return Forbidden("You have fewer rights in this workspace now. Subscribe again to go on, if you still may.")


class Revocations:
    """The callers of this process who are watched. Other processes have theirs."""

    def __init__(self) -> None:
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)

    @asynccontextmanager
    async def listening(self, database_url: str) -> AsyncIterator[None]:
        """Listens within the block, on a connection of its own."""
        standing = Standing()
        listening = asyncio.create_task(
            listen(database_url, [Notification.RIGHTS_CHANGED], self._heard, standing, begun=self._look_at_all)
        )
        try:
            await standing.wait()
            yield
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    @contextmanager
    def watch(self, principal: Principal) -> Iterator["Watch"]:
        """Watches a caller within the block."""
        watch = Watch(principal)
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
    """One caller: the rights that they had, until told to look again."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal
        self._told = asyncio.Event()

    def look(self) -> None:
        """The caller's rights may have changed."""
        self._told.set()

    async def lost(self) -> frozenset[UUID]:
        """Waits until the caller has fewer rights in some workspaces than before; these.

        Raises:
            Unauthenticated: their session has ended, their token or key has expired, or the key was revoked.
        """
        try:
            async with asyncio.timeout(_seconds_until(self._principal.expires_at)) as life:
                while True:
                    self._told.clear()
                    before, self._principal = self._principal, await retried(self._load, GIVE_UP_S)
                    if lost := before.lost_in(self._principal):
                        return lost
                    await self._told.wait()
        except TimeoutError:
            if not life.expired():
                raise
            raise Unauthenticated(self._principal.expiry) from None

    async def _load(self, _again: bool) -> Principal:
        return await principals.load(self._principal.proof)


def _seconds_until(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()

"""What every resolver is given: who asks, and the parts of the process that answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from core.auth import AccessClaims, KeyRing
from core.envelopes import Envelopes
from core.errors import NotFound, Unauthenticated
from core.ids import new_id
from core.principals import KeyProof, Principal
from core.quotas import Quota
from core.settings import Settings
from core.turns import Turns
from models.base import Row
from models.database import Connection, Reader, reading_as, seen_by
from models.reads import Reads
from providers.registry import Providers
from resolvers.batches import Batches
from services import principals
from services.callers import Callers, Presumption
from services.doorbell import Doorbell
from services.persisted_documents import PersistedDocuments
from services.revocations import Revocations, rights_lost
from streaming.buckets import Buckets
from streaming.bus import Bus

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts that all requests of a process share. ``stopping`` is set once the process is told to stop.

    ``sockets`` counts the open WebSockets of each user and of each address.
    """

    settings: Settings
    keys: KeyRing
    envelopes: Envelopes
    bus: Bus
    providers: Providers
    documents: PersistedDocuments
    buckets: Buckets
    doorbell: Doorbell = field(default_factory=Doorbell)
    turns: Turns = field(default_factory=Turns)
    callers: Callers = field(default_factory=Callers)
    revocations: Revocations = field(default_factory=Revocations)
    sockets: Quota = field(default_factory=Quota)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation cost its caller, in points; what they had left then, and what they get back each second."""

    requested: int
    remaining: int
    restore_per_second: int


@dataclass(slots=True)
class Context:
    """One operation: a request over HTTP, or one of the many that a WebSocket carries.

    ``principal`` is None for an anonymous caller. Signing in, and making a workspace, change it for what is left of
    the operation, so that the answer can show what was made. ``rejection``: why the caller's token was not accepted;
    it meets whoever asks for what needs a caller, and nobody else, so that a session can be refreshed with a stale
    token still sent along. ``watched``: the workspaces of which a subscription tells; it ends when the caller loses
    rights there. ``address``: that of the client, as far as proxies are to be believed. ``cost`` is known once the
    operation was let in. ``recall``: who has shown this, with what they still have of the rights that they had when the
    operation began. ``presumption``: by which it is known who calls, until that is known to be so. ``send``: sends the
    data of one more result at once; ``show`` does it for an event of a subscription. Both return false where that can't
    be, and are there only where some transport can.
    """

    runtime: Runtime
    principal: Principal | None = None
    rejection: Unauthenticated | None = None
    request_id: str = field(default_factory=lambda: new_id().hex)
    watched: set[UUID] = field(default_factory=set)
    address: str = ""
    cost: Cost | None = None
    recall: Callable[[AccessClaims | KeyProof], Awaitable[Principal]] = principals.load
    presumption: Presumption | None = None
    send: Callable[[dict[str, Any]], bool] | None = None
    show: Callable[[object], bool] | None = None
    _batches: Batches = field(default_factory=Batches)
    _reads: Reads | None = None

    @property
    def payer(self) -> str:
        """Whose bucket the operation's cost goes into: the caller's, or that of the address of somebody unknown."""
        account = self.principal.account if self.principal else None
        return account or f"address:{self.address}"

    def caller(self) -> Principal | None:
        """Who asks; None for an anonymous caller.

        Raises:
            Unauthenticated: the caller's token was rejected.
        """
        if self.principal is None and self.rejection is not None:
            raise self.rejection
        return self.principal

    def require_principal(self) -> Principal:
        """Who asks.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        principal = self.caller()
        if principal is None:
            raise Unauthenticated("Sign in first: send a valid access token.")
        return principal

    async def watch(self, workspace_id: UUID) -> None:
        """To be called by a subscription before it tells of what happens in a workspace.

        Raises:
            Unauthenticated, Forbidden: the caller has lost rights since the operation began.
        """
        self.watched.add(workspace_id)
        principal = self.require_principal()
        # Whoever watches has passed over what was lost up to now.
        if workspace_id in principal.lost_in(await self.recall(principal.proof)):
            raise rights_lost()

    def own_only(self) -> tuple[tuple[str, Any], ...]:
        """What to filter lists of threads and runs by, for an end user; nothing for others, who see all."""
        principal = self.require_principal()
        return (("end_user_id", principal.end_user_id),) if principal.end_user_id else ()

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction that reads what the caller may see: their workspaces, and a person's own account.

        Raises:
            Unauthenticated: nobody is signed in. Forbidden: it is an API key without the scope READ.
        """
        principal = self._reading()
        return self._reads.turn() if self._reads else seen_by(principal)

    def reader(self) -> Reader:
        """What finds the same, each time by one message to the database if it can. Raises as `transaction`."""
        principal = self._reading()
        return self._reads or reading_as(principal)

    def _reading(self) -> Principal:
        principal = self.require_principal()
        principal.require_reading()
        return principal

    @asynccontextmanager
    async def one_connection(self) -> AsyncIterator[None]:
        """Within the block all is read by one reader at a time, in one transaction if in any: for a query, which ends
        soon.

        No reader is to wait for another one, nor for a transaction of its own besides: one would wait for itself, and
        the other for a connection, while all that the pool has wait for one more.
        """
        presumed = self.presumption
        reads = self._reads = Reads(
            lambda: seen_by(self.require_principal()),
            lambda: presumed.reader if presumed else reading_as(self.require_principal()),
            presumed.guard if presumed else None,
        )
        try:
            yield
        finally:
            self._reads = None
            await reads.close()

    async def find(self, table: type[RowT], key: UUID) -> RowT | None:
        """The row with this id, read in one batch with its like; None when the caller may not see it."""
        return await self._batches.load(table, partial(self._rows_by_id, table), key)

    async def get(self, table: type[RowT], key: UUID) -> RowT:
        """As ``find``, but raises NotFound."""
        row = await self.find(table, key)
        if row is None:
            raise NotFound(f"There is no {table.__name__.lower()} with this id.")
        return row

    async def batch(self, fetch: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V]]], key: K) -> V | None:
        """What ``fetch`` finds for ``key``: a module-level function, called once for all keys asked for together."""
        return await self._batches.load(fetch, partial(fetch, self), key)

    async def _rows_by_id(self, table: type[RowT], keys: Sequence[UUID]) -> Mapping[UUID, RowT]:
        return {row.id: row for row in await table.read(self.reader(), "WHERE id = ANY($1)", list(keys))}

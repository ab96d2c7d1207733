"""A transaction on a connection of the pool, in which Tortoise's queries take place too.

Tortoise brings the same, for all databases and with savepoints, at several times the cost; and it leaks: when BEGIN
fails or is cancelled, the connection is lost to the pool, and every later transaction of the task takes place in it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from tortoise import connections
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.exceptions import IntegrityError, OperationalError

_NAME = "default"


class Reader(Protocol):
    """What finds something by statements."""

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """What a statement finds, with ``$1, $2 ...`` for ``values``."""


class Connection(TransactionWrapper):
    """A transaction's connection, as `Transaction` gives it; what Tortoise takes it for does the rest."""

    def __init__(self, client: AsyncpgDBClient, lent: "PoolConnectionProxy[asyncpg.Record]") -> None:
        super().__init__(client)
        self._connection = lent  # type: ignore[assignment]  # all that is asked of it, the proxy hands on

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """What a statement finds, with ``$1, $2 ...`` for ``values``. Raises what Tortoise's queries do."""
        self.log.debug("%s: %s", sql, values)
        # Tasks that share the transaction take turns.
        async with self._lock:
            try:
                return await self._connection.fetch(sql, *values, record_class=record_class)
            except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
                raise OperationalError(error) from error
            except asyncpg.IntegrityConstraintViolationError as error:
                raise IntegrityError(error) from error


class Transaction:
    """Begun by a statement of the caller's; then, before anything else, ``first`` is executed, if there is something:
    a statement and its values.
    """

    __slots__ = ("_begin", "_connection", "_first", "_lent", "_token")

    def __init__(self, begin: str, first: tuple[str, ...] | None = None) -> None:
        self._begin = begin
        self._first = first

    async def __aenter__(self) -> Connection:
        await self.begin()
        return self.join()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.end(failed=kind is not None)
        finally:
            self.leave()

    async def begin(self) -> None:
        """To be followed by `end`, whatever happens, unless it raises."""
        client = _client()
        self._lent = await (await _pool_of(client)).acquire()
        try:
            await self._lent.execute(self._begin)
            if self._first is not None:
                await self._lent.execute(*self._first)
        except BaseException:
            # What was cancelled may have begun all the same, and for one left open asyncpg logs an error.
            with suppress(Exception):
                await self.end(failed=True)
            raise
        self._connection = Connection(client, self._lent)

    def join(self) -> Connection:
        """Until `leave`, what this task asks of Tortoise takes place in it."""
        self._token = connections.set(_NAME, self._connection)
        return self._connection

    def leave(self) -> None:
        connections.reset(self._token)

    async def end(self, *, failed: bool) -> None:
        """Commit it, or undo all of it, and give its connection back."""
        if failed:
            # Whoever is cancelled twice, the second time before the first has reached the server, undoes it all the
            # same.
            await asyncio.shield(self._finish("ROLLBACK;"))
        else:
            await self._finish("COMMIT;")

    async def _finish(self, statement: str) -> None:
        try:
            await self._lent.execute(statement)
        finally:
            await _give_back(self._lent)


async def lone_statement(
    sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
) -> list[asyncpg.Record]:
    """What a statement finds that is a transaction by itself."""
    client = _client()
    client.log.debug("%s: %s", sql, values)
    lent = await (await _pool_of(client)).acquire()
    try:
        return await lent.fetch(sql, *values, record_class=record_class)
    finally:
        await _give_back(lent)


async def _give_back(lent: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """As the pool's own ``release``, without the task that it makes for whoever is cancelled meanwhile, which takes
    longer than all else. There is nothing to wait for but the end of a statement that was cancelled; whoever is
    cancelled once more then leaves a connection that is closed.
    """
    connection = lent._con  # type: ignore[attr-defined]  # None where it was lost
    if connection is not None:
        connection._on_release()
        await lent._holder.release(None)


def _client() -> AsyncpgDBClient:
    """The way to the pool. Raises RuntimeError within a transaction."""
    client = connections.get(_NAME)
    if not isinstance(client, AsyncpgDBClient) or isinstance(client, TransactionWrapper):
        raise RuntimeError("This task is in a transaction already, and they do not nest.")
    return client


async def _pool_of(client: AsyncpgDBClient) -> "asyncpg.Pool[asyncpg.Record]":
    """The process's, opened by the first who asks for it."""
    if client._pool is None:
        async with client._pool_init_lock:
            if client._pool is None:
                await client.create_connection(with_db=True)
    return cast("asyncpg.Pool[asyncpg.Record]", client._pool)

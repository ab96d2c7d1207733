"""A transaction on a connection of the pool, in which Tortoise's queries take place too.

Tortoise brings the same, for all databases and with savepoints, at several times the cost; and it leaks: when BEGIN
fails or is cancelled, the connection is lost to the pool, and every later transaction of the task takes place in it.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from tortoise import connections
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.context import require_context
from tortoise.exceptions import IntegrityError, OperationalError

SHARED, LOG = "default", "log"
"""The pools: what all share, and the one connection of who writes the log, whom nobody is to hold up."""

_PARAMETER = re.compile(r"\$(\d+)")


class Reader(Protocol):
    """What finds rows: a transaction's connection, or `Alone`."""

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """What a statement finds, with ``$1, $2 ...`` for ``values``. Raises what Tortoise's queries do."""


class Connection(TransactionWrapper):
    """A transaction's connection, as `Transaction` gives it; what Tortoise takes it for does the rest."""

    def __init__(self, client: AsyncpgDBClient, lent: "PoolConnectionProxy[asyncpg.Record]") -> None:
        super().__init__(client)
        self._connection = lent  # type: ignore[assignment]  # all that is asked of it, the proxy hands on

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """As `Reader`; the statement may change rows, too."""
        self.log.debug("%s: %s", sql, values)
        # Tasks that share the transaction take turns.
        async with self._lock:
            with _tortoise_errors:
                return await self._connection.fetch(sql, *values, record_class=record_class)


@dataclass(slots=True)
class Guard:
    """A SELECT with its values that finds one row as long as something is so; ``has_held`` once it was seen to be."""

    sql: str
    values: tuple[Any, ...]
    has_held: bool = False


class Alone:
    """Finds rows by statements each of which is a transaction by itself and sets its own scope, ``settings``: one
    message to the server where a transaction takes three. They are to be SELECTs.
    """

    __slots__ = ("_settings",)

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """As `Reader`."""
        return await lone_statement(*self.scoped(sql, values), record_class=record_class)

    async def records_if(
        self, guard: Guard, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """The same, but nothing where ``guard`` finds nothing: it sees what the statement sees, at the same moment.

        Whoever finds something knows by that what the guard is about, which holds from then on.
        """
        found = await lone_statement(*self.scoped(sql, values, guard), record_class=record_class)
        guard.has_held |= bool(found)
        return found

    def scoped(self, sql: str, values: Sequence[Any], guard: Guard | None = None) -> tuple[str, list[Any]]:
        """The SELECT ``sql`` as one that sets the scope, and the values that it takes then."""
        scoped = _in_scope(sql, tuple(self._settings), len(values), guard.sql if guard else None)
        return scoped, [*values, *self._settings.values(), *(guard.values if guard else ())]


@lru_cache(maxsize=1024)
def _in_scope(sql: str, settings: tuple[str, ...], taken: int, guard: str | None) -> str:
    """The statement with a scope of its own: the values of ``settings`` come behind those that it takes already, and
    those of a guard behind these.

    It is joined to the scope, so that nothing is read before that is set, and OFFSET keeps the planner from taking the
    two apart. A guard stands between them.
    """
    all_set = ", ".join(f"set_config('{name}', ${number}, true)" for number, name in enumerate(settings, taken + 1))
    guarding, condition = "", "scope.is_set"
    if guard is not None:
        taken += len(settings)
        guard = behind(guard, taken)
        guarding = (
            f"CROSS JOIN LATERAL (SELECT true AS holds FROM ({guard}) AS one WHERE scope.is_set OFFSET 0) AS guard"
        )
        condition = "guard.holds"
    return f"""
SELECT found.* FROM (SELECT num_nonnulls({all_set}) > 0 AS is_set) AS scope
{guarding}
CROSS JOIN LATERAL (SELECT * FROM ({sql}) AS inner_one WHERE {condition} OFFSET 0) AS found
"""


def behind(sql: str, taken: int) -> str:
    """The statement as part of one in which so many values come before its own."""
    return _PARAMETER.sub(lambda number: f"${int(number[1]) + taken}", sql)


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
        client = _client(SHARED)
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
        self._token = connections.set(SHARED, self._connection)
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
    sql: str,
    values: Sequence[Any],
    pool_name: str = SHARED,
    record_class: type[asyncpg.Record] = asyncpg.Record,
) -> list[asyncpg.Record]:
    """What a statement finds that is a transaction by itself. Raises what Tortoise's queries do."""
    client = _client(pool_name)
    client.log.debug("%s: %s", sql, values)
    lent = await (await _pool_of(client)).acquire()
    try:
        with _tortoise_errors:
            return await lent.fetch(sql, *values, record_class=record_class)
    finally:
        await _give_back(lent)


async def _give_back(lent: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """As the pool's own ``release``, without the task that it makes for whoever is cancelled meanwhile, which takes
    longer than all else. There is nothing to wait for but the end of a statement that was cancelled; whoever is
    cancelled once more then leaves a connection that is closed. A connection with which all is well goes back at once.
    """
    holder: Any = lent._holder
    connection = lent._con  # type: ignore[attr-defined]  # None where it was lost
    if connection is None:
        return
    protocol = connection._protocol
    if (
        connection.is_closed()
        or protocol.is_in_transaction()
        or protocol._is_cancelling()
        or protocol.queries_count >= holder._max_queries
        or holder._generation != holder._pool._generation
    ):
        await holder.release(None)
    else:
        holder._release()
        holder._setup_inactive_callback()


class _TortoiseErrors:
    """Makes errors of Tortoise's of the driver's."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncpg.SyntaxOrAccessError | asyncpg.DataError):
            raise OperationalError(error) from error
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            raise IntegrityError(error) from error


_tortoise_errors = _TortoiseErrors()


def _client(pool_name: str) -> AsyncpgDBClient:
    """The way to a pool. Raises RuntimeError within a transaction."""
    # As `connections` does, which takes as long again to find them.
    known = require_context().connections
    shared = known.get(SHARED)
    if isinstance(shared, TransactionWrapper):
        raise RuntimeError("This task is in a transaction already, and they do not nest.")
    return cast(AsyncpgDBClient, shared if pool_name == SHARED else known.get(pool_name))


async def _pool_of(client: AsyncpgDBClient) -> "asyncpg.Pool[asyncpg.Record]":
    """The process's, opened by the first who asks for it."""
    if client._pool is None:
        async with client._pool_init_lock:
            if client._pool is None:
                await client.create_connection(with_db=True)
    return cast("asyncpg.Pool[asyncpg.Record]", client._pool)

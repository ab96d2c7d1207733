"""The way to PostgreSQL: connecting, and the short transactions in which row-level security shows a caller's rows.

All tables are owned by the login role of ``DATABASE_URL``. The pool works as the role ``synapse_app`` instead, which
owns nothing and bypasses nothing, so every statement of the application passes the policies. A policy reads what
`transaction` sets for the length of one transaction: nothing set, no rows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import asyncpg
import orjson
from tortoise import Tortoise, connections
from tortoise.exceptions import IntegrityError, TransactionManagementError

from core.errors import StartupRefused
from core.principals import Principal
from models.transactions import LOG, SHARED, Alone, Connection, Guard, Reader, Transaction, lone_statement

__all__ = [
    "Alone",
    "Connection",
    "Guard",
    "IntegrityError",
    "Reader",
    "close",
    "connect",
    "fetch",
    "is_transient",
    "look_up",
    "reading",
    "reading_as",
    "seen_by",
    "transaction",
    "write_log",
]

# Lost, refused and ended connections, time-outs, deadlocks, a server that is short of something or read-only for now.
_TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    TransactionManagementError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)

_ERRORS_OF_VALUES = (TypeError, asyncpg.DataError, asyncpg.ProgramLimitExceededError)

APP_ROLE = "synapse_app"
LOG_CONNECTIONS = 2
"""How many are kept for who writes the log. They are there from the beginning: it is needed most when all is busy."""
STATEMENT_TIMEOUT_MS = 30_000
# How long a process that froze in a transaction may keep others from what it locked.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
TABLES = [
    f"models.{module}"
    for module in (
        "users",
        "refresh_tokens",
        "workspaces",
        "idempotency_keys",
        "agents",
        "threads",
        "runs",
        "run_steps",
        "run_events",
        "llm_calls",
        "provider_credentials",
        "invitations",
        "former_members",
        "audit_events",
        "api_keys",
        "end_users",
        "trusted_operations",
    )
]

_LOG_POOL = {"minsize": LOG_CONNECTIONS, "maxsize": LOG_CONNECTIONS}
# One message to the server, as it comes with every transaction: hence no parameters, and nothing but ids and words.
_SET = "set_config('{}', '{}', true)"
_SET_NAMES = "SELECT set_config('app.email', $1, true), set_config('app.token_hash', $2, true)"


def tortoise_config(credentials: dict[str, Any], *more_modules: str) -> dict[str, Any]:
    """Tortoise's configuration for a connection with these ``credentials``."""
    return {
        "connections": {
            SHARED: {"engine": "tortoise.backends.asyncpg", "credentials": credentials},
            LOG: {"engine": "tortoise.backends.asyncpg", "credentials": credentials | _LOG_POOL},
        },
        "apps": {"synapse": {"models": [*TABLES, *more_modules], "default_connection": SHARED}},
        "use_tz": True,
    }


def credentials_of(database_url: str) -> dict[str, Any]:
    """asyncpg's connection arguments from a URL; a socket's directory stands in the query, as ``?host=/run/...``."""
    url = urlsplit(database_url)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    credentials: dict[str, Any] = {
        "host": query.get("host") or url.hostname or "localhost",
        "port": int(query.get("port") or url.port or 5432),
        "user": unquote(url.username or "postgres"),
        "password": unquote(url.password) if url.password else None,
        "database": unquote(url.path.lstrip("/")) or "postgres",
    }
    if "sslmode" in query:
        credentials["ssl"] = query["sslmode"]
    return credentials


async def connect(database_url: str, pool_size: int) -> None:
    """Open the process's pools, as the application's role: ``pool_size`` connections, and `LOG_CONNECTIONS`."""
    credentials = credentials_of(database_url) | {
        "minsize": 1,
        "maxsize": pool_size,
        "init": _set_codecs,
        "reset": _nothing_to_reset,
        # Statements stay prepared: who asks once in five minutes is not to wait for that each time.
        "max_cached_statement_lifetime": 0,
        "command_timeout": STATEMENT_TIMEOUT_MS / 1000 + 5,
        "server_settings": {
            "role": APP_ROLE,
            "application_name": "synapse",
            # In which a timestamp's text is ISO 8601.
            "DateStyle": "ISO",
            "TimeZone": "UTC",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
        },
    }
    # The fallback makes the context visible to requests, which run in tasks that did not inherit it.
    await Tortoise.init(config=tortoise_config(credentials), _enable_global_fallback=True)


async def _set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """JSON becomes what it stands for. Timestamps travel as text: Python makes datetimes of that in a third of the time
    that asyncpg takes to add up microseconds.
    """
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=datetime.isoformat, decoder=datetime.fromisoformat
    )


async def _nothing_to_reset(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Spares what asyncpg sends by itself when a connection is given back: all that we set ends with a transaction."""


async def close() -> None:
    """Close the pools."""
    await connections.close_all()


def transaction(
    workspace_ids: Iterable[UUID] = (),
    *,
    user_id: UUID | None = None,
    email: str | None = None,
    token_hash: str | None = None,
    page_workspace_id: UUID | None = None,
    end_user_id: UUID | None = None,
    executor: bool = False,
    key_rotation: bool = False,
    first: str = "",
) -> Transaction:
    """One transaction that sees the rows of ``workspace_ids``, and what a look-up by name needs besides.

    ``user_id``: that user's own account, memberships and sessions. ``email``, ``token_hash``: the one account, refresh
    token or API key of that address or hash, before anybody is known; with ``user_id``, also the invitation of that
    hash to that user. ``page_workspace_id``: of that workspace, its name, its agents and its trusted operations; with
    ``end_user_id``, also that end user's conversations there, and nobody else's. ``executor``: all runs, to claim them,
    and which providers' credentials there are. ``key_rotation``: all credentials, to wrap their keys anew. ``first``: a
    statement without parameters that goes to the server in the message that begins the transaction.

    It ends before anything slow begins: never hold one across a model call. A task started inside would share the
    connection, so start tasks after it. They do not nest.
    """
    scope = _scope(workspace_ids, user_id, page_workspace_id, end_user_id, executor)
    scope |= {"app.key_rotation": "on"} if key_rotation else {}
    names = (_SET_NAMES, email or "", token_hash or "") if email or token_hash else None
    settings = ", ".join([_SET.format(*setting) for setting in scope.items() if setting[1]])
    begin = f"BEGIN; SELECT {settings};" if settings else "BEGIN;"
    return Transaction(begin + first, names)


def seen_by(principal: Principal) -> Transaction:
    """A transaction that sees what the caller may see, or change: their workspaces, and a person's own account; on a
    web page what is for everybody there, and what is the end user's.
    """
    return transaction(
        principal.workspace_ids,
        user_id=principal.user_id,
        page_workspace_id=principal.page_workspace_id,
        end_user_id=principal.end_user_id,
    )


def reading(workspace_ids: Iterable[UUID], *, user_id: UUID | None = None, executor: bool = False) -> Alone:
    """What finds rows of ``workspace_ids``, each time by one message to the server. ``user_id``, ``executor``: see
    `transaction`.
    """
    return Alone(_scope(workspace_ids, user_id, executor=executor))


def reading_as(principal: Principal) -> Alone:
    """What finds rows that the caller may see, as `seen_by`, each time by one message to the server."""
    return Alone(_scope(principal.workspace_ids, principal.user_id, principal.page_workspace_id, principal.end_user_id))


def _scope(
    workspace_ids: Iterable[UUID],
    user_id: UUID | None = None,
    page_workspace_id: UUID | None = None,
    end_user_id: UUID | None = None,
    executor: bool = False,
) -> dict[str, str]:
    """The settings by which policies know these; something is set in any case."""
    ids = {"app.user_id": user_id, "app.page_workspace_id": page_workspace_id, "app.end_user_id": end_user_id}
    texts = {name: _text_of(id) for name, id in ids.items() if id}
    texts |= {"app.executor": "on"} if executor else {}
    return {"app.workspace_ids": ",".join([_text_of(workspace_id) for workspace_id in workspace_ids])} | texts


def _text_of(id: UUID) -> str:
    # Through its bytes, so that nothing but an id becomes part of a statement.
    return str(UUID(bytes=id.bytes))


def is_transient(error: Exception) -> bool:
    """Whether the transaction that failed with ``error`` may succeed when it is tried again a little later."""
    return isinstance(error, _TRANSIENT_ERRORS)


def is_of_the_values(error: Exception) -> bool:
    """Whether a statement failed with ``error`` because of the values that it was given, as it would every time."""
    # What is made one of Tortoise's has the driver's as its cause.
    return any(isinstance(one, _ERRORS_OF_VALUES) for one in (error, error.__cause__))


async def fetch(connection: Reader, sql: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a statement written by hand, with ``$1, $2 ...`` for ``values``."""
    return [dict(record) for record in await connection.records(sql, values)]


async def look_up(sql: str, *values: Any) -> list[dict[str, Any]]:
    """What one statement finds that is a transaction by itself: one message, where one with a scope takes three.

    It sees no rows but those for which it sets the scope itself, before it reads them; that too ends with it.
    """
    return [dict(record) for record in await lone_statement(sql, values)]


async def write_log(sql: str, *values: Any, may_wait: bool) -> list[dict[str, Any]]:
    """As `look_up`, for what writes the log. Unless it ``may_wait`` for others, it goes by a connection that is kept
    for that.
    """
    return [dict(record) for record in await lone_statement(sql, values, SHARED if may_wait else LOG)]


async def open_connection(database_url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection outside the pool, as the login role: for locks, notifications and migrations, which outlive a
    transaction.
    """
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        **credentials_of(database_url), server_settings={"application_name": "synapse-dedicated"}
    )
    return connection


async def require_reachable(database_url: str) -> None:
    """Raises StartupRefused, without the URL's password, when the database can't be connected to."""
    try:
        connection = await open_connection(database_url)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        place = urlsplit(database_url)._replace(scheme="", netloc=urlsplit(database_url).netloc.rpartition("@")[2])
        raise StartupRefused(f"Can't connect to the database {place.geturl()}: {error}") from error
    await connection.close()

"""The way to PostgreSQL: connecting, and the short transactions in which row-level security shows a caller's rows.

All tables are owned by the login role of ``DATABASE_URL``. The pool works as the role ``synapse_app`` instead, which
owns nothing and bypasses nothing, so every statement of the application passes the policies. A policy reads what
`transaction` sets for the length of one transaction: nothing set, no rows.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import asyncpg
from tortoise import Tortoise, connections
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

__all__ = ["IntegrityError", "close", "connect", "fetch", "transaction"]

APP_ROLE = "synapse_app"
STATEMENT_TIMEOUT_MS = 30_000
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
    )
]

_SET_SCOPE = """
SELECT set_config('app.workspace_ids', $1, true), set_config('app.user_id', $2, true),
       set_config('app.email', $3, true), set_config('app.token_hash', $4, true), set_config('app.executor', $5, true)
"""


def tortoise_config(credentials: dict[str, Any], *more_modules: str) -> dict[str, Any]:
    """Tortoise's configuration for a connection with these ``credentials``."""
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": {"synapse": {"models": [*TABLES, *more_modules], "default_connection": "default"}},
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
    """Open the process's pool, as the application's role."""
    credentials = credentials_of(database_url) | {
        "minsize": 1,
        "maxsize": pool_size,
        "command_timeout": STATEMENT_TIMEOUT_MS / 1000 + 5,
        "server_settings": {
            "role": APP_ROLE,
            "application_name": "synapse",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": "60000",
        },
    }
    # The fallback makes the context visible to requests, which run in tasks that did not inherit it.
    await Tortoise.init(config=tortoise_config(credentials), _enable_global_fallback=True)


async def close() -> None:
    """Close the pool."""
    await connections.close_all()


@asynccontextmanager
async def transaction(
    workspace_ids: Iterable[UUID] = (),
    *,
    user_id: UUID | None = None,
    email: str | None = None,
    token_hash: str | None = None,
    executor: bool = False,
) -> AsyncIterator[BaseDBAsyncClient]:
    """One transaction that sees the rows of ``workspace_ids``, and what a look-up by name needs besides.

    ``user_id``: that user's own account, memberships and sessions. ``email``, ``token_hash``: the one account or
    refresh token of that address or hash, before anybody is known. ``executor``: all runs, to claim them.

    It ends before anything slow begins: never hold one across a model call. A task started inside would share the
    connection, so start tasks after it.
    """
    async with in_transaction() as connection:
        await connection.execute_query(
            _SET_SCOPE,
            [
                ",".join(str(workspace_id) for workspace_id in workspace_ids),
                str(user_id) if user_id else "",
                email or "",
                token_hash or "",
                "on" if executor else "",
            ],
        )
        yield connection


async def fetch(connection: BaseDBAsyncClient, sql: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a statement written by hand, with ``$1, $2 ...`` for ``values``."""
    return await connection.execute_query_dict(sql, list(values))


async def open_connection(database_url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection outside the pool, as the login role: for locks, notifications and migrations, which outlive a
    transaction.
    """
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        **credentials_of(database_url), server_settings={"application_name": "synapse"}
    )
    return connection

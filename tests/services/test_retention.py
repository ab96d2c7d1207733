"""What expires is deleted, and nothing else."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from core.ids import new_id
from models.database import open_connection
from services import retention
from tests.engine.lab import execute_sql
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")

KEY = """
INSERT INTO idempotency_keys (id, scope_id, key, request_hash, result_id, created_at)
VALUES ($1, $1, 'key', '-', $1, now() - $2::text::interval)
"""
TOKEN = """
INSERT INTO refresh_tokens (id, session_id, user_id, token_hash, created_at, expires_at)
VALUES ($1, $1, $3, $1::uuid::text, now(), now() - $2::text::interval)
"""


async def left(url: str, table: str, rows: Mapping[str, UUID]) -> list[str]:
    """Of rows that go by these names, those that are still there."""
    there = {row["id"] for row in await execute_sql(url, f"SELECT id FROM {table}")}
    return [name for name, row_id in rows.items() if row_id in there]


async def test_idempotency_keys_go_after_their_day(database_url: str) -> None:
    keys = {age: new_id() for age in ("1 minute", "24 hours", "26 hours")}
    for age, key_id in keys.items():
        await execute_sql(database_url, KEY, key_id, age)
    await retention.delete_expired()
    assert await left(database_url, "idempotency_keys", keys) == ["1 minute", "24 hours"]


async def test_refresh_tokens_go_a_week_after_they_expired(database_url: str) -> None:
    user_id = (await make_member(await make_workspace())).user_id
    tokens = {age: new_id() for age in ("-1 day", "6 days", "8 days")}
    for age, token_id in tokens.items():
        await execute_sql(database_url, TOKEN, token_id, age, user_id)
    await retention.delete_expired()
    assert await left(database_url, "refresh_tokens", tokens) == ["-1 day", "6 days"]


async def test_it_goes_on_until_all_is_gone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    keys = {str(number): new_id() for number in range(5)}
    for key_id in keys.values():
        await execute_sql(database_url, KEY, key_id, "2 days")
    assert (await retention.delete_expired())["idempotency_keys"] == 5
    assert await left(database_url, "idempotency_keys", keys) == []


async def test_who_finds_another_process_at_it_leaves_it_to_that_one(database_url: str) -> None:
    key_id = new_id()
    await execute_sql(database_url, KEY, key_id, "2 days")
    other = await open_connection(database_url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", retention._LOCK)
        assert await retention.delete_expired() == {"idempotency_keys": 0, "refresh_tokens": 0}
    finally:
        await other.close()
    assert await left(database_url, "idempotency_keys", {"key": key_id}) == ["key"]

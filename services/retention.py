"""What is deleted after a while, in small steps: rows that nobody has a use for any more."""

from models.database import fetch, transaction

BATCH_ROWS = 1000
# One batch at a time, whichever process takes it.
_LOCK = 0x52455445

# As in the tables' policies. Keys stay an hour longer than they count, so that none goes while it is looked at. Refresh
# tokens that were used or have expired still tell of a theft, for a while.
_EXPIRED = {
    "idempotency_keys": "created_at < now() - interval '25 hours'",
    "refresh_tokens": "expires_at < now() - interval '7 days'",
}


async def delete_expired() -> dict[str, int]:
    """Delete what has expired, batch by batch; how many rows of each table went. Processes do not get in each other's
    way: who finds another one at it leaves it to that one.
    """
    return {table: await _delete(table, condition) for table, condition in _EXPIRED.items()}


async def _delete(table: str, condition: str) -> int:
    deleted = batch = await _delete_batch(table, condition)
    while batch == BATCH_ROWS:
        batch = await _delete_batch(table, condition)
        deleted += batch
    return deleted


async def _delete_batch(table: str, condition: str) -> int:
    # Asked twice: a row may have been renewed since it was found.
    sql = f"""
    DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {condition} LIMIT {BATCH_ROWS}) AND {condition}
    RETURNING id
    """
    async with transaction(executor=True) as connection:
        [row] = await fetch(connection, "SELECT pg_try_advisory_xact_lock($1) AS free", _LOCK)
        return len(await fetch(connection, sql)) if row["free"] else 0

"""Idempotency keys: a creating mutation that is sent again makes nothing new."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from core.errors import IdempotencyConflict
from core.ids import new_id
from core.inputs import Path, require_text
from models.database import Connection, fetch

PATH: Path = ("input", "idempotencyKey")
MAX_CHARS = 255

# Whoever comes second waits here until the first has committed or rolled back. A key older than a day is taken over.
_CLAIM = """
INSERT INTO idempotency_keys AS k (id, scope_id, key, request_hash, result_id, created_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (scope_id, key) DO UPDATE
SET request_hash = excluded.request_hash, result_id = excluded.result_id, created_at = excluded.created_at
WHERE k.created_at < now() - interval '24 hours'
RETURNING id
"""
_EARLIER = "SELECT request_hash, result_id FROM idempotency_keys WHERE scope_id = $1 AND key = $2"


async def claim(
    connection: Connection, *, scope_id: UUID, key: str | None, request: Mapping[str, Any], result_id: UUID
) -> UUID | None:
    """Claim ``key`` for the ``result_id`` that this transaction is about to make; before it makes anything.

    ``scope_id``: the workspace, or the user where there is no workspace yet. ``request``: all that the result depends
    on, the mutation's name included. Without a key there is nothing to claim.

    Returns:
        None when the way is clear, else the id that the same request made before: give that back, and make nothing.

    Raises:
        IdempotencyConflict: another request used the key within the last 24 hours.
        ValidationFailed: the key can't be one.
    """
    if key is None:
        return None
    key = require_text(key, PATH, max_chars=MAX_CHARS, what="The idempotency key")
    request_hash = sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if await fetch(connection, _CLAIM, new_id(), scope_id, key, request_hash, result_id):
        return None
    [earlier] = await fetch(connection, _EARLIER, scope_id, key)
    if earlier["request_hash"] != request_hash:
        raise IdempotencyConflict("This idempotency key was used for a different request.", PATH)
    result: UUID = earlier["result_id"]
    return result

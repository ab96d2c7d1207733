"""Sessions: who is signed in. A session is a family of refresh tokens, of which the newest works, once.

Access tokens name their session, and each request looks it up, so ending a session ends its access tokens too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from core.auth import AccessClaims, KeyRing
from core.errors import Unauthenticated
from core.ids import IdPrefix, new_id
from core.permissions import Rights, Role
from core.principals import Principal
from core.settings import Settings
from core.tokens import hash_token, new_token
from models.database import Connection, Guard, fetch, reading, transaction
from models.notifications import Notification, notify
from models.refresh_tokens import RefreshToken

# One row as long as the session goes on.
_SESSION = """
(SELECT FROM refresh_tokens WHERE session_id = $1 AND user_id = $2 AND revoked_at IS NULL LIMIT 1) AS session
"""
# No row: the session has ended. One row without a workspace: its user is in none.
_PRINCIPAL = f"SELECT m.workspace_id, m.role FROM {_SESSION} LEFT JOIN memberships m ON m.user_id = $2"
# One row as long as the session goes on and its user's memberships are those that $3 tells.
_UNCHANGED = f"""
SELECT FROM {_SESSION} CROSS JOIN (
    SELECT string_agg(concat(m.workspace_id, ' ', m.role), ',' ORDER BY m.workspace_id) AS told
    FROM memberships m WHERE m.user_id = $2
) AS rights
WHERE coalesce(rights.told, '') = $3
"""
# All that changes a session holds the lock of its first token, so that nothing joins a session while it ends.
_LOCK_SESSION = "SELECT id FROM refresh_tokens WHERE session_id = $1 ORDER BY id LIMIT 1 FOR UPDATE"
_REVOKE = "UPDATE refresh_tokens SET revoked_at = now() WHERE session_id = $1 AND revoked_at IS NULL"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to act for ``principal``, a person, until ``expires_at`` and then with the refresh token."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    user_id: UUID
    principal: Principal


async def load(claims: AccessClaims) -> Principal:
    """The person whose session it is, with the memberships of this moment.

    Raises:
        Unauthenticated: the session has ended.
    """
    rows = await fetch(reading((), user_id=claims.user_id), _PRINCIPAL, claims.session_id, claims.user_id)
    if not rows:
        raise Unauthenticated("The session has ended.")
    roles = {row["workspace_id"]: Role(row["role"]) for row in rows if row["workspace_id"] is not None}
    return Principal((IdPrefix.USER, claims.user_id), roles, claims, claims.expires_at)


def guard_of(claims: AccessClaims, rights: Mapping[UUID, Rights]) -> Guard:
    """What finds out, within a statement that reads as the person with these rights, whether `load` would find them."""
    # As PostgreSQL has it: ids are ordered alike as such and as text.
    told = ",".join(sorted(f"{workspace_id} {role}" for workspace_id, role in rights.items()))
    return Guard(_UNCHANGED, (claims.session_id, claims.user_id, told))


async def add_token(user_id: UUID, session_id: UUID, settings: Settings) -> str:
    """Write the newest token of a session, within the transaction under way."""
    token = new_token()
    await RefreshToken.create(
        session_id=session_id,
        user_id=user_id,
        token_hash=hash_token(token),
        expires_at=datetime.now(UTC) + timedelta(days=settings.refresh_token_days),
    )
    return token


async def open_session(keys: KeyRing, settings: Settings, user_id: UUID) -> Tokens:
    """Sign a user in, whose credentials the caller has checked."""
    session_id = new_id()
    async with transaction(user_id=user_id):
        refresh_token = await add_token(user_id, session_id, settings)
    return await issue(keys, settings, user_id, session_id, refresh_token)


async def issue(keys: KeyRing, settings: Settings, user_id: UUID, session_id: UUID, refresh_token: str) -> Tokens:
    """An access token to go with a refresh token that is committed."""
    lifetime = timedelta(minutes=settings.access_token_minutes)
    access_token, expires_at = keys.issue_access_token(user_id, session_id, lifetime)
    principal = await load(AccessClaims(user_id, session_id, expires_at))
    return Tokens(access_token, refresh_token, expires_at, user_id, principal)


async def refresh(keys: KeyRing, settings: Settings, refresh_token: str) -> Tokens:
    """Exchange a refresh token for its successor. One that was used before was stolen, or its successor was: since
    nobody can tell which, that ends the session.

    Raises:
        Unauthenticated: it is none of ours, has expired or was used, or its session has ended.
    """
    token_hash = hash_token(refresh_token)
    async with transaction(token_hash=token_hash):
        known = await RefreshToken.get_or_none(token_hash=token_hash)
    successor = None
    if known is not None:
        async with transaction(user_id=known.user_id) as connection:
            await fetch(connection, _LOCK_SESSION, known.session_id)
            token = await RefreshToken.get(id=known.id)
            if token.used_at is not None:
                await _revoke(connection, token.session_id)
            elif token.revoked_at is None and token.expires_at > datetime.now(UTC):
                await RefreshToken.filter(id=token.id).update(used_at=datetime.now(UTC))
                successor = await add_token(token.user_id, token.session_id, settings)
        if token.used_at is not None:
            _log.warning("refresh_token_reused", user_id=str(token.user_id), session_id=str(token.session_id))
    if known is None or successor is None:
        raise Unauthenticated("The refresh token is not valid. Sign in again.")
    return await issue(keys, settings, known.user_id, known.session_id, successor)


async def end_session(claims: AccessClaims) -> None:
    """Sign a person out: their session's tokens stop working at once, and its live subscriptions end."""
    async with transaction(user_id=claims.user_id) as connection:
        await fetch(connection, _LOCK_SESSION, claims.session_id)
        await _revoke(connection, claims.session_id)


async def _revoke(connection: Connection, session_id: UUID) -> None:
    await fetch(connection, _REVOKE, session_id)
    await notify(connection, Notification.RIGHTS_CHANGED, str(session_id))

"""API keys: making and revoking them, and who calls with one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import Conflict, Forbidden, NotFound, Unauthenticated, ValidationFailed
from core.ids import IdPrefix, encode, new_id
from core.inputs import Path, require_text
from core.origins import is_origin
from core.permissions import BROWSER_SCOPES, Permission, Scope, Scopes
from core.principals import KeyProof, Principal
from core.tokens import BROWSER_KEY_PREFIX, SECRET_KEY_PREFIX, hash_token, new_key_secret, shown_of
from models.api_keys import ApiKey, ApiKeyKind
from models.database import fetch, seen_by, transaction
from models.notifications import Notification, notify
from services import idempotency
from services.audit import Action, record

MAX_NAME_CHARS = 200
MAX_ORIGINS = 20
# How exactly it is known when a key was last used.
USE_INTERVAL = timedelta(minutes=1)

MISPLACED = "An end user's token goes with a browser key of its own workspace."

_KEY_PATH: Path = ("input", "apiKeyId")
# Once a minute, and by one of those who come at the same time; the others don't wait for it.
_USE = """
UPDATE api_keys SET last_used_at = now() WHERE id IN (
    SELECT id FROM api_keys
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - $2::interval) FOR NO KEY UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to be made in a workspace; ``expires_at`` None: it lives until it is revoked."""

    workspace_id: UUID
    name: str
    kind: ApiKeyKind
    scopes: frozenset[Scope]
    allowed_origins: tuple[str, ...] = ()
    expires_at: datetime | None = None
    idempotency_key: str | None = None


async def create(principal: Principal, new: NewApiKey) -> tuple[ApiKey, str]:
    """Make a key; with it its secret, which is nowhere else.

    Raises:
        NotFound: no such workspace for the caller.
        Forbidden: the caller's role there is below ADMIN; or it is a key itself, without that scope, or for less or for
            less long than the new one.
        ValidationFailed: a value can't be one.
        Conflict: the idempotency key has made a key before, whose secret can't be shown again.
        IdempotencyConflict: it was used for another request.
    """
    principal.require(new.workspace_id, Permission.MANAGE_KEYS, ("input", "workspaceId"))
    name = require_text(new.name, ("input", "name"), max_chars=MAX_NAME_CHARS, what="The key's name")
    _require_possible(new)
    _require_within(principal, new)
    secret = new_key_secret(BROWSER_KEY_PREFIX if new.kind is ApiKeyKind.BROWSER else SECRET_KEY_PREFIX)
    key_id = new_id()
    async with seen_by(principal) as connection:
        earlier_id = await idempotency.claim(
            connection,
            scope_id=new.workspace_id,
            key=new.idempotency_key,
            request=_fingerprint(new, name),
            result_id=key_id,
        )
        if earlier_id is not None:
            earlier = encode(IdPrefix.API_KEY, earlier_id)
            message = f"This was done before, and the secret of {earlier} shown then. If it is lost, revoke that key."
            raise Conflict(message, idempotency.PATH)
        key = await ApiKey.create(
            id=key_id,
            workspace_id=new.workspace_id,
            name=name,
            prefix=shown_of(secret),
            secret_hash=hash_token(secret),
            kind=new.kind,
            scopes=_ordered(new.scopes),
            allowed_origins=list(new.allowed_origins),
            created_by_id=principal.id,
            expires_at=new.expires_at,
        )
        target = (IdPrefix.API_KEY, key.id)
        await record(
            connection, principal.subject, key.workspace_id, Action.API_KEY_CREATED, target, after=_audited(key)
        )
    return key, secret


async def revoke(principal: Principal, key_id: UUID) -> ApiKey:
    """Make a key worth nothing, at once and for ever; what is live by it ends. Revoking it again changes nothing.

    Raises:
        NotFound: there is no such key for the caller. Forbidden: the caller's role is below ADMIN.
    """
    async with seen_by(principal) as connection:
        key = await ApiKey.select_for_update(no_key=True).get_or_none(id=key_id)
        if key is None:
            raise NotFound("There is no API key with this id.", _KEY_PATH)
        principal.require(key.workspace_id, Permission.MANAGE_KEYS, _KEY_PATH)
        if key.revoked_at is None:
            before = _audited(key)
            key.revoked_at = datetime.now(UTC)
            await key.save(update_fields=["revoked_at"])
            await notify(connection, Notification.RIGHTS_CHANGED, str(key.id))
            target = (IdPrefix.API_KEY, key.id)
            await record(
                connection,
                principal.subject,
                key.workspace_id,
                Action.API_KEY_REVOKED,
                target,
                before=before,
                after=_audited(key),
            )
    return key


async def load(proof: KeyProof) -> Principal:
    """The key whose secret was shown, which counts as its use.

    Raises:
        Unauthenticated: there is none, it was revoked or has expired; it is a browser key, for pages of other origins;
            the end user's token that came with it is misplaced.
    """
    async with transaction(token_hash=proof.secret_hash) as connection:
        key = await ApiKey.get_or_none(secret_hash=proof.secret_hash)
        if key is None:
            raise Unauthenticated("The API key is not valid.")
        if key.refusal:
            raise Unauthenticated(key.refusal)
        if key.last_used_at is None or datetime.now(UTC) - key.last_used_at > USE_INTERVAL:
            await fetch(connection, _USE, key.id, USE_INTERVAL)
    return _caller_on_page(key, proof) if key.kind is ApiKeyKind.BROWSER else _program(key, proof)


def _program(key: ApiKey, proof: KeyProof) -> Principal:
    if proof.end_user is not None:
        raise Unauthenticated(MISPLACED)
    return Principal(
        (IdPrefix.API_KEY, key.id), {key.workspace_id: key.rights}, proof, key.expires_at, api_key_id=key.id
    )


def _caller_on_page(key: ApiKey, proof: KeyProof) -> Principal:
    """The end user; a visitor, who may look, where no token says which one."""
    if proof.origin not in key.allowed_origins:
        raise Unauthenticated("This API key is not for pages of this origin.")
    rights, expires_at, subject = key.rights, key.expires_at, (IdPrefix.API_KEY, key.id)
    if proof.end_user is None:
        rights = Scopes(rights.held & {Scope.READ})
    elif proof.end_user.workspace_id != key.workspace_id:
        raise Unauthenticated(MISPLACED)
    else:
        subject = (IdPrefix.END_USER, proof.end_user.end_user_id)
        expires_at = min(expires_at, proof.end_user.expires_at) if expires_at else proof.end_user.expires_at
    return Principal(subject, {key.workspace_id: rights}, proof, expires_at, api_key_id=key.id, on_page=True)


def _require_possible(new: NewApiKey) -> None:
    if not new.scopes:
        raise ValidationFailed("A key without a scope can do nothing.", ("input", "scopes"))
    if new.kind is ApiKeyKind.BROWSER:
        _require_fit_for_pages(new)
    elif new.allowed_origins:
        raise ValidationFailed("Only browser keys have origins.", ("input", "allowedOrigins"))
    if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
        raise ValidationFailed("The key would have expired already.", ("input", "expiresAt"))


def _require_fit_for_pages(new: NewApiKey) -> None:
    if not new.scopes <= BROWSER_SCOPES:
        names = " and ".join(_ordered(BROWSER_SCOPES))
        raise ValidationFailed(f"Everybody can read a browser key, so it can have {names} only.", ("input", "scopes"))
    if not 1 <= len(new.allowed_origins) <= MAX_ORIGINS or not all(map(is_origin, new.allowed_origins)):
        message = f"A browser key needs 1 to {MAX_ORIGINS} origins, each as browsers write it: https://shop.example"
        raise ValidationFailed(message, ("input", "allowedOrigins"))


def _require_within(principal: Principal, new: NewApiKey) -> None:
    """A key makes none that can do more than itself, or lives longer."""
    rights = principal.rights.get(new.workspace_id)
    if isinstance(rights, Scopes) and not new.scopes <= rights.held:
        raise Forbidden("An API key can make keys with its own scopes only.", ("input", "scopes"))
    limit = principal.expires_at if principal.api_key_id else None
    if limit is not None and (new.expires_at is None or new.expires_at > limit):
        raise Forbidden("An API key can make keys only that expire when it does, or before.", ("input", "expiresAt"))


def _fingerprint(new: NewApiKey, name: str) -> dict[str, Any]:
    return {
        "mutation": "createApiKey",
        "name": name,
        "kind": new.kind.value,
        "scopes": _ordered(new.scopes),
        "allowed_origins": list(new.allowed_origins),
        "expires_at": new.expires_at.isoformat() if new.expires_at else None,
    }


def _ordered(scopes: frozenset[Scope]) -> list[str]:
    return [scope.value for scope in Scope if scope in scopes]


def _audited(key: ApiKey) -> dict[str, Any]:
    """What the audit record says of a key: of its secret, no more than everybody who sees the key is shown."""
    return {
        "name": key.name,
        "secret": f"{key.prefix}***",
        "kind": key.kind.value,
        "scopes": key.scopes,
        "allowedOrigins": key.allowed_origins,
        "expiresAt": key.expires_at.isoformat() if key.expires_at else None,
        "revokedAt": key.revoked_at.isoformat() if key.revoked_at else None,
    }

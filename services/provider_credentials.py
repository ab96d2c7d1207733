"""What workspaces call their model providers with: setting it, handing it to who calls, rotating what protects it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from core.addresses import may_be_public
from core.envelopes import Envelopes
from core.errors import ProviderFailed, SecretUnreadable, ValidationFailed
from core.ids import IdPrefix, new_id
from core.inputs import Path, require_text
from core.permissions import Permission
from core.principals import Principal
from models.database import Connection, Reader, fetch, seen_by, transaction
from models.provider_credentials import KEY_COLUMNS, ProviderCredential
from providers.catalogue import DEFAULT_CREDENTIAL, ProviderName, is_credential_name
from providers.credentials import NEEDS, Credential, is_http_url
from providers.registry import CredentialKey
from services.audit import Action, record, record_by_system

MAX_KEY_CHARS = 4_000
MAX_URL_CHARS = 2_000
HINT_CHARS = 4
# Of a shorter key, the hint would give too much away.
MIN_CHARS_FOR_HINT = 8
ROTATION_BATCH = 100

_PATH: Path = ("input",)
_UPSERT = """
INSERT INTO provider_credentials
    (id, workspace_id, provider, name, base_url, kid, wrapped_data_key, encrypted_key, key_hint, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
ON CONFLICT (workspace_id, provider, name) DO UPDATE SET
    base_url = excluded.base_url, kid = excluded.kid, wrapped_data_key = excluded.wrapped_data_key,
    encrypted_key = excluded.encrypted_key, key_hint = excluded.key_hint
"""


# For a statement that finds a row ``v`` with a model's name, and a row ``a`` with a workspace's id: which credential
# the model is called with, by its name taken apart as `ModelName.parse` does, and that one if the workspace has it.
SEEN = """needed.provider AS needed_provider, needed.name AS needed_name, c.id AS credential_id, c.base_url,
    c.kid, c.wrapped_data_key, c.encrypted_key"""
SEEING = f"""
LEFT JOIN LATERAL (
    SELECT upper(split_part(prefix, ':', 1)) AS provider,
        coalesce(nullif(split_part(prefix, ':', 2), ''), '{DEFAULT_CREDENTIAL}') AS name
    FROM split_part(v.model, '/', 1) AS prefix
) AS needed ON true
LEFT JOIN provider_credentials c
    ON c.workspace_id = a.workspace_id AND c.provider = needed.provider AND c.name = needed.name
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a workspace has under ``key``, as a statement with `SEEN` found it: None where it has nothing there."""

    workspace_id: UUID
    key: tuple[str | None, str | None]
    row: ProviderCredential | None

    @classmethod
    def of(cls, workspace_id: UUID, found: Mapping[str, Any]) -> "Seen":
        """What is in the statement's row."""
        provider, name = key = found["needed_provider"], found["needed_name"]
        row = None
        if found["credential_id"] is not None:
            columns = {column: found[column] for column in (*KEY_COLUMNS, "base_url")}
            row = ProviderCredential(workspace_id=workspace_id, provider=provider, name=name, **columns)
        return cls(workspace_id, key, row)


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to be set, as a client sends it."""

    workspace_id: UUID
    provider: ProviderName
    name: str
    api_key: str | None = field(repr=False)
    base_url: str | None


async def set_credential(
    principal: Principal, envelopes: Envelopes, new: NewCredential, *, allow_private_addresses: bool
) -> ProviderCredential:
    """Set a workspace's credential, in the place of the one that has the provider and the name, if there is one.

    All of it is replaced, so that nobody can send a key that they can't read to an address of their own.

    Raises:
        NotFound: no such workspace for the caller. Forbidden: the caller's role there is below ADMIN.
        ValidationFailed: a value can't be one, or the provider needs one that is missing.
    """
    principal.require(new.workspace_id, Permission.MANAGE_CREDENTIALS, (*_PATH, "workspaceId"))
    if not is_credential_name(new.name):
        message = (
            "A credential's name has 1 to 64 characters of a-z, A-Z, 0-9, '.', '_' and '-', a letter or digit first."
        )
        raise ValidationFailed(message, (*_PATH, "name"))
    api_key, base_url = _require_key(new), _require_base_url(new)
    if base_url and not allow_private_addresses and not may_be_public(urlsplit(base_url).hostname or ""):
        message = "The base URL must not be that of a private address: this server calls public ones only."
        raise ValidationFailed(message, (*_PATH, "baseUrl"))
    row = ProviderCredential(
        id=new_id(),
        workspace_id=new.workspace_id,
        provider=new.provider.value,
        name=new.name,
        base_url=base_url,
        key_hint=api_key[-HINT_CHARS:] if api_key and len(api_key) >= MIN_CHARS_FOR_HINT else None,
    )
    row.envelope = envelopes.seal(api_key, row.place) if api_key else None
    key_columns = (row.kid, row.wrapped_data_key, row.encrypted_key, row.key_hint)
    async with seen_by(principal) as connection:
        known: dict[str, Any] = {"workspace_id": row.workspace_id, "provider": row.provider, "name": row.name}
        before = await ProviderCredential.select_for_update(no_key=True).get_or_none(**known)
        await fetch(connection, _UPSERT, row.id, row.workspace_id, row.provider, row.name, row.base_url, *key_columns)
        after = await ProviderCredential.get(**known)
        await record(
            connection,
            principal.subject,
            row.workspace_id,
            Action.PROVIDER_CREDENTIAL_SET,
            (IdPrefix.PROVIDER_CREDENTIAL, after.id),
            before=_audited(before) if before else None,
            after=_audited(after),
        )
        return after


def _audited(row: ProviderCredential) -> dict[str, str | None]:
    """What the audit record says of a credential: of its key, no more than everybody who sees it is shown."""
    key = f"***{row.key_hint or ''}" if row.envelope else None
    return {"provider": row.provider, "name": row.name, "apiKey": key, "baseUrl": row.base_url}


async def keys_of_workspace(principal: Principal, workspace_id: UUID) -> list[CredentialKey]:
    """Which credentials the workspace has; none for who is not in it."""
    async with seen_by(principal):
        rows = await ProviderCredential.filter(workspace_id=workspace_id).values_list("provider", "name")
    return [(ProviderName(provider), name) for provider, name in rows]


async def load(
    connection: Reader, envelopes: Envelopes, workspace_id: UUID, key: CredentialKey, seen: Seen | None = None
) -> Credential | None:
    """The workspace's credential in the clear, for a call that is about to be made; None when it has none. It is not
    looked for if it was ``seen``.

    Raises:
        ProviderFailed: it can't be decrypted.
    """
    provider, name = key
    if seen is not None and (seen.workspace_id, seen.key) == (workspace_id, (provider.value, name)):
        row = seen.row
    else:
        condition = "WHERE workspace_id = $1 AND provider = $2 AND name = $3"
        found = await ProviderCredential.read(connection, condition, workspace_id, provider.value, name)
        row = found[0] if found else None
    if row is None:
        return None
    try:
        api_key = envelopes.open(row.envelope, row.place) if row.envelope else ""
    except SecretUnreadable as error:
        message = f"The credential {name!r} for {provider} can't be used: set it again. {error.message}"
        raise ProviderFailed(message, retryable=False) from error
    return Credential(api_key, row.base_url)


async def providers_in_use() -> set[ProviderName]:
    """The providers that any workspace has a credential for."""
    async with transaction(executor=True) as connection:
        rows = await fetch(connection, "SELECT DISTINCT provider FROM provider_credentials")
    return {ProviderName(row["provider"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many credentials were wrapped anew, and how many can't be opened, by the name of the key that is missing."""

    rewrapped: int
    unreadable: Counter[str]


async def rotate_keys(envelopes: Envelopes) -> Rotation:
    """Wrap the data keys of all workspaces' credentials with the newest of the server's keys.

    In short transactions beside running servers, which can open what is wrapped with any key of their ring. Whatever
    interrupts it, it can run again, and at the same time elsewhere.
    """
    rewrapped, unreadable, after = 0, Counter[str](), UUID(int=0)
    while True:
        stale = ProviderCredential.filter(id__gt=after, kid__isnull=False, kid__not=envelopes.newest).order_by("id")
        async with transaction(key_rotation=True):
            found = await stale.limit(ROTATION_BATCH)
        if not found:
            return Rotation(rewrapped, unreadable)
        # The audit record of a workspace takes events from within it alone.
        async with transaction({row.workspace_id for row in found}, key_rotation=True) as connection:
            for row in await stale.filter(id__in=[row.id for row in found]).select_for_update():
                if await _rewrap(connection, envelopes, row):
                    rewrapped += 1
                else:
                    unreadable[row.kid or ""] += 1
        after = found[-1].id


async def _rewrap(connection: Connection, envelopes: Envelopes, row: ProviderCredential) -> bool:
    assert row.envelope is not None
    before = _audited(row) | {"wrappedWith": row.kid}
    try:
        row.envelope = envelopes.rewrap(row.envelope, row.place)
    except SecretUnreadable:
        return False
    await row.save(update_fields=["kid", "wrapped_data_key"])
    target = (IdPrefix.PROVIDER_CREDENTIAL, row.id)
    after = _audited(row) | {"wrappedWith": row.kid}
    await record_by_system(
        connection, row.workspace_id, Action.PROVIDER_CREDENTIAL_REWRAPPED, target, before=before, after=after
    )
    return True


def _require_key(new: NewCredential) -> str | None:
    path = (*_PATH, "apiKey")
    needs = NEEDS.get(new.provider)
    if needs is None:
        raise ValidationFailed(f"{new.provider} needs no credential.", (*_PATH, "provider"))
    if new.api_key is None:
        if needs.api_key:
            raise ValidationFailed(f"{new.provider} needs an API key.", path)
        return None
    api_key = require_text(new.api_key, path, max_chars=MAX_KEY_CHARS, what="The API key")
    # It goes into an HTTP header.
    if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ValidationFailed("The API key must consist of visible ASCII characters.", path)
    return api_key


def _require_base_url(new: NewCredential) -> str | None:
    path = (*_PATH, "baseUrl")
    if new.base_url is None:
        if NEEDS[new.provider].base_url:
            raise ValidationFailed(f"{new.provider} needs the base URL of its endpoint.", path)
        return None
    base_url = require_text(new.base_url, path, max_chars=MAX_URL_CHARS, what="The base URL")
    if not is_http_url(base_url):
        raise ValidationFailed("The base URL must be an http or https URL without a query: https://host/v1.", path)
    return base_url

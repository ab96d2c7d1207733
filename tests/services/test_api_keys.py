"""API keys below the API: what they may be, who makes them, and when their use is noted."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from core.auth import KeyRing
from core.errors import (
    Conflict,
    Forbidden,
    IdempotencyConflict,
    NotFound,
    SynapseError,
    Unauthenticated,
    ValidationFailed,
)
from core.permissions import Permission, Role, Scope
from core.principals import Credentials, Principal
from core.tokens import new_key_secret
from models.api_keys import ApiKey, ApiKeyKind
from models.database import APP_ROLE, open_connection, transaction
from models.workspaces import Membership
from services import api_keys, invitations, members, principals
from services.api_keys import NewApiKey
from tests.servers.app import SECRET_KEYS
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")

KEYS = KeyRing.parse(SECRET_KEYS)
SOON = timedelta(hours=1)


@pytest.fixture
async def admin() -> Principal:
    return await make_member(await make_workspace(), Role.ADMIN)


def new_key(principal: Principal, *scopes: Scope, **fields: Any) -> NewApiKey:
    [workspace_id] = principal.workspace_ids
    return replace(NewApiKey(workspace_id, "Nightly", ApiKeyKind.SECRET, frozenset(scopes or {Scope.READ})), **fields)


async def key_of(principal: Principal, *scopes: Scope, **fields: Any) -> Principal:
    """A new key, as the caller that it is."""
    _, secret = await api_keys.create(principal, new_key(principal, *scopes, **fields))
    return await principals.authenticate(KEYS, Credentials(secret))


async def refused(call: Any, error: type[SynapseError]) -> SynapseError:
    with pytest.raises(error) as caught:
        await call
    return caught.value


async def stored(key_id: UUID, principal: Principal) -> ApiKey:
    async with transaction(principal.workspace_ids):
        return await ApiKey.get(id=key_id)


async def test_a_secret_names_its_key_and_its_rights(admin: Principal) -> None:
    key, secret = await api_keys.create(admin, new_key(admin, Scope.RUN, Scope.READ))
    caller = await principals.authenticate(KEYS, Credentials(secret))
    [workspace_id] = admin.workspace_ids
    assert (caller.id, caller.api_key_id, caller.user_id) == (key.id, key.id, None)
    allowed = {permission for permission in Permission if caller.may(workspace_id, permission)}
    assert allowed == {Permission.READ, Permission.RUN}
    assert (key.created_by_id, key.scopes, secret.startswith(key.prefix)) == (admin.id, ["READ", "RUN"], True)


async def test_the_secret_itself_is_not_kept(admin: Principal, database_url: str) -> None:
    key, secret = await api_keys.create(admin, new_key(admin))
    connection = await open_connection(database_url)
    texts = await connection.fetch(
        "SELECT k::text FROM api_keys k WHERE id = $1 UNION ALL SELECT a::text FROM audit_events a", key.id
    )
    await connection.close()
    assert len(texts) > 1
    assert not [text for [text] in texts if secret in text or secret[13:] in text]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_below_admin_nobody_makes_or_revokes_keys(admin: Principal, role: Role) -> None:
    member = await make_member(admin.workspace_ids[0], role)
    await refused(api_keys.create(member, new_key(member)), Forbidden)
    key, _ = await api_keys.create(admin, new_key(admin))
    await refused(api_keys.revoke(member, key.id), Forbidden)


async def test_keys_of_others_are_not_there(admin: Principal) -> None:
    other = await make_member(await make_workspace(), Role.OWNER)
    key, _ = await api_keys.create(admin, new_key(admin))
    await refused(api_keys.create(other, new_key(admin)), NotFound)
    await refused(api_keys.revoke(other, key.id), NotFound)
    assert (await stored(key.id, admin)).revoked_at is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"scopes": frozenset()}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "expiresAt"),
        ({"allowed_origins": ("https://shop.example",)}, "allowedOrigins"),
        ({"kind": ApiKeyKind.BROWSER}, "allowedOrigins"),
        ({"kind": ApiKeyKind.BROWSER, "allowed_origins": ("https://shop.example/",)}, "allowedOrigins"),
        ({"kind": ApiKeyKind.BROWSER, "allowed_origins": ("*",)}, "allowedOrigins"),
        (
            {
                "kind": ApiKeyKind.BROWSER,
                "allowed_origins": ("https://shop.example",),
                "scopes": frozenset({Scope.READ, Scope.WRITE}),
            },
            "scopes",
        ),
        ({"idempotency_key": " "}, "idempotencyKey"),
    ],
)
async def test_what_a_key_can_not_be_says_why(admin: Principal, fields: dict[str, Any], place: str) -> None:
    error = await refused(api_keys.create(admin, new_key(admin, **fields)), ValidationFailed)
    assert error.path == ("input", place)


async def test_a_key_makes_keys_for_no_more_and_no_longer_than_itself(admin: Principal) -> None:
    limit = datetime.now(UTC) + SOON
    key = await key_of(admin, Scope.ADMIN, Scope.READ, expires_at=limit)
    made = await key_of(key, Scope.READ, expires_at=limit)
    assert not made.may(key.workspace_ids[0], Permission.MANAGE_KEYS)
    for fields, place in (
        ({"scopes": frozenset({Scope.READ, Scope.RUN}), "expires_at": limit}, "scopes"),
        ({"expires_at": None}, "expiresAt"),
        ({"expires_at": limit + SOON}, "expiresAt"),
    ):
        error = await refused(api_keys.create(key, new_key(key, **fields)), Forbidden)
        assert error.path == ("input", place)


async def test_a_revoked_key_is_worth_nothing_and_stays_so(admin: Principal) -> None:
    key, secret = await api_keys.create(admin, new_key(admin))
    first, again = [await api_keys.revoke(admin, key.id) for _ in range(2)]
    assert first.revoked_at == again.revoked_at
    error = await refused(principals.authenticate(KEYS, Credentials(secret)), Unauthenticated)
    assert error.message == "The API key was revoked."


async def test_an_expired_key_is_worth_nothing(admin: Principal, database_url: str) -> None:
    key, secret = await api_keys.create(admin, new_key(admin, expires_at=datetime.now(UTC) + SOON))
    assert (await principals.authenticate(KEYS, Credentials(secret))).expires_at == key.expires_at
    connection = await open_connection(database_url)
    await connection.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1", key.id)
    await connection.close()
    error = await refused(principals.authenticate(KEYS, Credentials(secret)), Unauthenticated)
    assert error.message == "The API key has expired."


async def test_a_secret_of_no_key_is_refused(pool: None) -> None:
    error = await refused(principals.authenticate(KEYS, Credentials(new_key_secret())), Unauthenticated)
    assert error.message == "The API key is not valid."


async def test_use_is_noted_once_a_minute(admin: Principal, database_url: str) -> None:
    key, secret = await api_keys.create(admin, new_key(admin))
    assert (await stored(key.id, admin)).last_used_at is None
    connection = await open_connection(database_url)
    version = "SELECT xmin::text FROM api_keys WHERE id = $1"

    async def used_by_many() -> Any:
        await asyncio.gather(*(principals.authenticate(KEYS, Credentials(secret)) for _ in range(20)))
        return await connection.fetchval(version, key.id)

    async def used_lately() -> bool:
        last = (await stored(key.id, admin)).last_used_at
        return last is not None and datetime.now(UTC) - last < timedelta(minutes=1)

    first = await used_by_many()
    assert await used_lately()
    assert await used_by_many() == first, "nothing was written"
    await connection.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds' WHERE id = $1", key.id)
    assert await used_by_many() != first
    assert await used_lately()
    await connection.close()


async def test_sent_again_a_request_makes_no_second_key(admin: Principal) -> None:
    new = new_key(admin, idempotency_key="once")
    key, _ = await api_keys.create(admin, new)
    error = await refused(api_keys.create(admin, new), Conflict)
    assert error.path == ("input", "idempotencyKey")
    await refused(api_keys.create(admin, replace(new, name="Other")), IdempotencyConflict)
    async with transaction(admin.workspace_ids):
        assert [row.id for row in await ApiKey.all()] == [key.id]


@pytest.mark.parametrize("change", ["scopes = '[\"ADMIN\"]'", "secret_hash = 'x'", "expires_at = NULL"])
async def test_the_application_can_not_change_what_a_key_is_for(
    admin: Principal, database_url: str, change: str
) -> None:
    await api_keys.create(admin, new_key(admin))
    connection = await open_connection(database_url)
    await connection.execute(f"SET ROLE {APP_ROLE}")
    for statement in (f"UPDATE api_keys SET {change}", "DELETE FROM api_keys"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_what_is_for_people_is_not_for_keys(admin: Principal) -> None:
    workspace_id = admin.workspace_ids[0]
    owner = await make_member(workspace_id, Role.OWNER)
    key = await key_of(owner, *Scope)
    member = await make_member(workspace_id, Role.VIEWER)
    from_members = await members_of(workspace_id)
    await refused(members.transfer_ownership(key, from_members[member.id]), Forbidden)
    await refused(members.change_role(key, from_members[member.id], Role.OWNER), Forbidden)
    await refused(members.remove(key, from_members[owner.id]), Forbidden)
    await refused(invitations.invite(key, workspace_id, "eve@example.com", Role.OWNER), Forbidden)
    await refused(invitations.accept(key, "token"), Forbidden)


async def test_a_key_with_the_scope_manages_members(admin: Principal) -> None:
    workspace_id = admin.workspace_ids[0]
    key = await key_of(admin, Scope.ADMIN)
    member = await make_member(workspace_id, Role.VIEWER)
    membership_id = (await members_of(workspace_id))[member.id]
    assert (await members.change_role(key, membership_id, Role.EDITOR)).role is Role.EDITOR
    await members.remove(key, membership_id)
    assert member.id not in await members_of(workspace_id)
    reader = await key_of(admin, Scope.READ, Scope.WRITE, Scope.RUN)
    await refused(invitations.invite(reader, workspace_id, "eve@example.com", Role.VIEWER), Forbidden)


@pytest.mark.parametrize("revoked", [False, True])
async def test_an_invitation_by_a_key_is_worth_what_the_key_is(admin: Principal, revoked: bool) -> None:
    workspace_id = admin.workspace_ids[0]
    key = await key_of(admin, Scope.ADMIN)
    guest = await make_member(await make_workspace(), Role.OWNER)
    invited = await invitations.invite(key, workspace_id, f"{guest.id}@example.com", Role.EDITOR)
    if revoked:
        await api_keys.revoke(admin, key.id)
        await refused(invitations.accept(guest, invited.token), NotFound)
    else:
        assert (await invitations.accept(guest, invited.token)).role is Role.EDITOR


async def members_of(workspace_id: UUID) -> dict[UUID, UUID]:
    """The ids of the memberships, by those of the users."""
    async with transaction([workspace_id]):
        return {row.user_id: row.id for row in await Membership.all()}

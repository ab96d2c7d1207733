"""Credentials: who may set them, what they must be like, how they are kept, and how their keys are rotated."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from core.auth import Principal
from core.envelopes import Envelopes
from core.errors import Forbidden, NotFound, ProviderFailed, ValidationFailed
from core.ids import IdPrefix, encode, new_id
from core.permissions import Role
from models.audit_events import AuditEvent
from models.database import fetch, open_connection, transaction
from models.provider_credentials import ProviderCredential
from providers.catalogue import ProviderName
from providers.credentials import Credential
from providers.registry import CredentialKey
from services import provider_credentials
from services.provider_credentials import NewCredential
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")

KEY = "sk-0123456789"
OLD, NEW = {"old": b"o" * 32}, {"new": b"n" * 32}
OPENAI = (ProviderName.OPENAI, "default")


@pytest.fixture
async def admin() -> Principal:
    return await make_member(await make_workspace(), Role.ADMIN)


def workspace_of(principal: Principal) -> UUID:
    return next(iter(principal.roles))


def new(principal: Principal, **changes: Any) -> NewCredential:
    values = {
        "workspace_id": workspace_of(principal),
        "provider": ProviderName.OPENAI,
        "name": "default",
        "api_key": KEY,
        "base_url": None,
    }
    return NewCredential(**{**values, **changes})


async def set_credential(
    principal: Principal, envelopes: Envelopes | None = None, *, private: bool = True, **changes: Any
) -> ProviderCredential:
    return await provider_credentials.set_credential(
        principal, envelopes or Envelopes(NEW), new(principal, **changes), allow_private_addresses=private
    )


async def load(
    principal: Principal, envelopes: Envelopes | None = None, key: CredentialKey = OPENAI
) -> Credential | None:
    async with transaction([workspace_of(principal)]) as connection:
        return await provider_credentials.load(connection, envelopes or Envelopes(NEW), workspace_of(principal), key)


async def test_what_was_set_is_there_for_a_call_and_only_its_end_is_shown(admin: Principal) -> None:
    row = await set_credential(admin, base_url=" https://gateway.example.com/v1 ")
    assert (row.key_hint, row.base_url) == ("6789", "https://gateway.example.com/v1")
    assert await load(admin) == Credential(KEY, "https://gateway.example.com/v1")


async def test_the_key_stands_nowhere_in_the_row(admin: Principal, database_url: str) -> None:
    row = await set_credential(admin)
    connection = await open_connection(database_url)
    text = await connection.fetchval("SELECT c::text FROM provider_credentials c WHERE id = $1", row.id)
    await connection.close()
    for shape in (KEY, KEY.encode().hex(), KEY[:-4]):
        assert shape not in text + repr(row) + str(row) + repr(new(admin))


async def test_setting_it_again_replaces_all_of_it_under_the_same_id(admin: Principal) -> None:
    first = await set_credential(admin, base_url="https://gateway.example.com")
    again = await set_credential(admin, api_key="sk-another-one")
    assert (again.id, again.created_at, again.base_url) == (first.id, first.created_at, None)
    assert await load(admin) == Credential("sk-another-one")


async def test_a_short_key_gives_no_hint(admin: Principal) -> None:
    assert (await set_credential(admin, api_key="1234567")).key_hint is None


async def test_other_workspaces_have_others(admin: Principal) -> None:
    await set_credential(admin)
    other = await make_member(await make_workspace(), Role.ADMIN)
    assert await load(other) is None
    assert await provider_credentials.keys_of_workspace(other, workspace_of(other)) == []
    assert await provider_credentials.keys_of_workspace(admin, workspace_of(admin)) == [OPENAI]


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
async def test_below_admin_nobody_sets_one(admin: Principal, role: Role) -> None:
    member = await make_member(workspace_of(admin), role)
    with pytest.raises(Forbidden):
        await set_credential(member)


async def test_in_a_workspace_of_others_nobody_sets_one(admin: Principal) -> None:
    with pytest.raises(NotFound):
        await set_credential(admin, workspace_id=new_id())


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("apiKey", {"api_key": None}),
        ("apiKey", {"api_key": " "}),
        ("apiKey", {"api_key": "sk\0"}),
        ("apiKey", {"api_key": "sk-1\r\nX-Evil: 1"}),
        ("apiKey", {"api_key": "sk 1"}),
        ("apiKey", {"api_key": "schlüssel"}),
        ("apiKey", {"api_key": "k" * 4_001}),
        ("baseUrl", {"base_url": "gateway.example.com"}),
        ("baseUrl", {"base_url": "ftp://gateway.example.com"}),
        ("baseUrl", {"base_url": "file:///etc/passwd"}),
        ("baseUrl", {"base_url": "https://user:pass@gateway.example.com"}),
        ("baseUrl", {"base_url": "https://gateway.example.com/v1?x=1"}),
        ("baseUrl", {"base_url": "https://gateway.example.com:99999"}),
        ("baseUrl", {"base_url": "https://gate way"}),
        ("baseUrl", {"base_url": "https://h\0"}),
        ("baseUrl", {"base_url": "https://h/" + "x" * 2_000}),
        ("baseUrl", {"provider": ProviderName.OLLAMA}),
        ("baseUrl", {"provider": ProviderName.OPENAI_COMPATIBLE}),
        ("provider", {"provider": ProviderName.LOCAL}),
        ("provider", {"provider": ProviderName.SCRIPTED}),
        ("name", {"name": ""}),
        ("name", {"name": "a/b"}),
        ("name", {"name": "a:b"}),
        ("name", {"name": "x" * 65}),
        ("name", {"name": "a\n"}),
    ],
)
async def test_what_can_not_be_one_is_refused_at_its_place(admin: Principal, place: str, values: Any) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await set_credential(admin, **values)
    assert caught.value.path == ("input", place)
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.7:11434", "[::1]", "[fd00:ec2::254]", "169.254.169.254", "2130706433", "0x7f.1"),
        *("0177.0.0.1", "localhost", "LOCALHOST.", "api.localhost"),
    ],
)
async def test_a_private_address_is_refused_at_once_unless_the_server_allows_it(admin: Principal, host: str) -> None:
    base_url = f"http://{host}/v1"
    with pytest.raises(ValidationFailed, match="private") as caught:
        await set_credential(admin, private=False, base_url=base_url)
    assert caught.value.path == ("input", "baseUrl")
    assert (await set_credential(admin, base_url=base_url)).base_url == base_url


async def test_a_public_address_may_be_named(admin: Principal) -> None:
    for base_url in ("https://gateway.example.com/v1", "http://93.184.216.34:8080/v1", "http://[2606:4700::1111]/v1"):
        assert (await set_credential(admin, private=False, base_url=base_url)).base_url == base_url


async def test_ollama_needs_an_address_and_no_key(admin: Principal) -> None:
    row = await set_credential(admin, provider=ProviderName.OLLAMA, api_key=None, base_url="http://10.0.0.7:11434")
    assert (row.key_hint, row.envelope) == (None, None)
    assert await load(admin, key=(ProviderName.OLLAMA, "default")) == Credential("", "http://10.0.0.7:11434")


async def test_a_row_copied_to_another_tenant_does_not_open(admin: Principal) -> None:
    await set_credential(admin)
    other = await make_member(await make_workspace(), Role.ADMIN)
    async with transaction([workspace_of(admin), workspace_of(other)]) as connection:
        await fetch(
            connection,
            """
            INSERT INTO provider_credentials
            SELECT $1, provider, name, base_url, kid, wrapped_data_key, encrypted_key, key_hint, created_at, $2
            FROM provider_credentials WHERE workspace_id = $3
            """,
            *(new_id(), workspace_of(other), workspace_of(admin)),
        )
    with pytest.raises(ProviderFailed, match="set it again"):
        await load(other)


async def test_a_missing_key_is_named_when_a_call_needs_it(admin: Principal) -> None:
    await set_credential(admin, Envelopes(OLD))
    with pytest.raises(ProviderFailed, match="old, which SECRET_KEYS does not have") as caught:
        await load(admin)
    assert not caught.value.retryable


class TestRotation:
    """All credentials of the test process's database take part, so that only one's own can be counted on."""

    async def test_afterwards_the_old_key_is_not_needed(self, admin: Principal) -> None:
        await set_credential(admin, Envelopes(OLD))
        await provider_credentials.rotate_keys(Envelopes({**NEW, **OLD}))
        assert await load(admin, Envelopes(NEW)) == Credential(KEY)

    async def test_again_or_at_the_same_time_it_does_each_once(
        self, admin: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider_credentials, "ROTATION_BATCH", 3)
        ring = Envelopes({**NEW, **OLD})
        await provider_credentials.rotate_keys(ring)
        for number in range(10):
            await set_credential(admin, Envelopes(OLD), name=f"n{number}")
        rotations = await asyncio.gather(*(provider_credentials.rotate_keys(ring) for _ in range(3)))
        assert sum(rotation.rewrapped for rotation in rotations) == 10
        assert (await provider_credentials.rotate_keys(ring)).rewrapped == 0

    async def test_each_is_on_record_with_the_names_of_both_keys_and_without_secrets(self, admin: Principal) -> None:
        row = await set_credential(admin, Envelopes(OLD))
        await provider_credentials.rotate_keys(Envelopes({**NEW, **OLD}))
        async with transaction([workspace_of(admin)]):
            event = await AuditEvent.get(action="provider_credential.rewrapped")
        assert (event.actor, event.actor_id) == ("system", None)
        assert event.target_id == encode(IdPrefix.PROVIDER_CREDENTIAL, row.id)
        assert [event.detail[side]["wrappedWith"] for side in ("before", "after")] == [*OLD, *NEW]
        assert KEY not in str(event.detail)

    async def test_what_can_not_be_opened_is_counted_and_the_rest_goes_on(self, admin: Principal) -> None:
        kid = f"lost-{new_id().hex[:8]}"
        await set_credential(admin, Envelopes({kid: b"l" * 32}), name="lost")
        await set_credential(admin, Envelopes(OLD))
        rotation = await provider_credentials.rotate_keys(Envelopes({**NEW, **OLD}))
        assert rotation.unreadable[kid] == 1
        assert await load(admin, Envelopes(NEW)) == Credential(KEY)
        await set_credential(admin, name="lost")

    async def test_credentials_without_a_key_are_left_alone(self, admin: Principal) -> None:
        await set_credential(admin, provider=ProviderName.OLLAMA, api_key=None, base_url="http://ollama")
        await provider_credentials.rotate_keys(Envelopes({**NEW, **OLD}))
        assert await provider_credentials.keys_of_workspace(admin, workspace_of(admin)) == [
            (ProviderName.OLLAMA, "default")
        ]

    async def test_nothing_else_sees_the_credentials_of_all(self, admin: Principal) -> None:
        await set_credential(admin)
        async with transaction() as connection:
            assert await fetch(connection, "SELECT id FROM provider_credentials") == []


async def test_executors_learn_which_providers_are_in_use(admin: Principal) -> None:
    await set_credential(admin)
    assert ProviderName.OPENAI in await provider_credentials.providers_in_use()

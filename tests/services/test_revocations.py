"""Who is watched is looked up when there is a reason to, and not with each operation."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from core.auth import AccessClaims
from core.errors import Unauthenticated
from core.principals import KeyProof, Principal
from models.database import open_connection, transaction
from models.notifications import Notification
from services import principals, revocations
from services.revocations import Revocations, Watch
from services.sessions import add_token
from tests.engine.lab import until
from tests.servers.app import settings_for
from tests.services.tenants import make_member, make_workspace


@pytest.fixture
async def signed_in(database_url: str, pool: None) -> Principal:
    member = await make_member(await make_workspace())
    assert isinstance(member.proof, AccessClaims)
    async with transaction(user_id=member.id):
        await add_token(member.id, member.proof.session_id, settings_for(database_url))
    return member


@pytest.fixture
async def watch(database_url: str, signed_in: Principal) -> AsyncIterator[Watch]:
    watched = Revocations()
    async with watched.listening(database_url):
        with watched.watch(signed_in) as watch:
            yield watch


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often callers have been looked up."""
    times = 0
    load = principals.load

    async def counted(proof: AccessClaims | KeyProof) -> Principal:
        nonlocal times
        times += 1
        return await load(proof)

    monkeypatch.setattr(principals, "load", counted)
    return lambda: times


async def change(url: str, principal: Principal, sql: str) -> None:
    """Run a statement about the user, and tell that rights have changed, in one transaction."""
    connection = await open_connection(url)
    async with connection.transaction():
        await connection.execute(sql, principal.id)
        await connection.execute("SELECT pg_notify($1, $2)", Notification.RIGHTS_CHANGED.value, str(principal.id))
    await connection.close()


async def test_rights_are_looked_up_once_as_long_as_nothing_is_told(
    watch: Watch, signed_in: Principal, looked_up: Callable[[], int]
) -> None:
    found = [await watch.recall() for _ in range(3)]
    assert found == [signed_in] * 3
    assert looked_up() == 1


async def test_what_was_told_counts_from_then_on(database_url: str, watch: Watch, signed_in: Principal) -> None:
    assert (await watch.recall()).rights
    await change(database_url, signed_in, "DELETE FROM memberships WHERE user_id = $1")

    async def is_removed() -> bool:
        return not (await watch.recall()).rights

    async def is_removed_still() -> bool:
        return not await is_removed()

    await until(is_removed, patience_s=revocations.KNOWN_S / 2)
    await change(database_url, signed_in, "UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1")
    with pytest.raises(Unauthenticated):
        await until(is_removed_still, patience_s=revocations.KNOWN_S / 2)


async def test_what_is_told_while_rights_are_looked_up_makes_them_looked_up_again(
    watch: Watch, looked_up: Callable[[], int]
) -> None:
    looking = asyncio.create_task(watch.recall())
    await asyncio.sleep(0)
    watch.look()
    await looking
    await watch.recall()
    assert looked_up() == 2


async def test_rights_are_not_known_for_ever(
    watch: Watch, looked_up: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "KNOWN_S", 0.0)
    await watch.recall()
    await watch.recall()
    assert looked_up() == 2


async def test_who_cannot_be_told_looks_each_time(
    watch: Watch, signed_in: Principal, looked_up: Callable[[], int]
) -> None:
    await watch.recall()
    watch._standing.end()
    for _ in range(2):
        assert await watch.recall() == signed_in
    assert looked_up() == 3
    watch._standing.begin()

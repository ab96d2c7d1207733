"""Who is presumed to call: it is found out with the first read whether they do, with these rights."""

from uuid import UUID

import pytest

from core.auth import AccessClaims
from core.errors import Unauthenticated
from core.permissions import Role
from core.principals import KeyProof, Principal
from core.tokens import hash_token
from models.agents import Agent
from models.database import fetch, reading_as, transaction
from models.workspaces import Membership
from services import sessions
from services.callers import Callers, Presumption
from tests.services.tenants import make_member, make_workspace
from tests.services.test_sessions import sign_in
from tests.streaming.runs import make_run

pytestmark = pytest.mark.usefixtures("pool")
# What finds a row whoever asks.
SOMETHING = "SELECT 1 AS one"


async def signed_in(role: Role = Role.EDITOR) -> tuple[AccessClaims, UUID]:
    """Somebody in a workspace in which there is an agent."""
    run = await make_run()
    return await sign_in(await make_member(run.workspace_id, role)), run.workspace_id


async def presumed(known: Callers, claims: AccessClaims) -> Presumption:
    await known.find(claims)
    presumption = known.presume(claims)
    assert presumption is not None
    return presumption


async def finds(presumption: Presumption) -> bool:
    """Whether a statement that is guarded finds something, and says so."""
    found = await reading_as(presumption.principal).records_if(presumption.guard, SOMETHING, ())
    assert presumption.guard.has_held == bool(found)
    return bool(found)


async def change_role(claims: AccessClaims, workspace_id: UUID) -> None:
    async with transaction([workspace_id]):
        await Membership.filter(workspace_id=workspace_id, user_id=claims.user_id).update(role=Role.VIEWER)


async def leave(claims: AccessClaims, workspace_id: UUID) -> None:
    async with transaction([workspace_id]):
        await Membership.filter(workspace_id=workspace_id, user_id=claims.user_id).delete()


async def join_another(claims: AccessClaims, _: UUID) -> None:
    another_id = await make_workspace()
    async with transaction([another_id], user_id=claims.user_id):
        await Membership.create(workspace_id=another_id, user_id=claims.user_id, role=Role.OWNER)


async def sign_out(claims: AccessClaims, _: UUID) -> None:
    await sessions.end_session(claims)


async def test_whoever_called_before_is_found_with_what_is_read() -> None:
    claims, workspace_id = await signed_in()
    for _ in range(3):
        presumption = await presumed(known := Callers(), claims)
        assert presumption.principal == await sessions.load(claims)
        reader = reading_as(presumption.principal)
        found = await reader.records_if(presumption.guard, "SELECT workspace_id FROM agents", ())
        assert [record["workspace_id"] for record in found] == [workspace_id]
        assert presumption.guard.has_held
        assert await known.was_right(presumption)
        # The next time it is to be found out again.
        again = known.presume(claims)
        assert again is not None
        assert not again.guard.has_held
        await join_another(claims, workspace_id)


async def test_nobody_is_presumed_who_has_not_been_found() -> None:
    claims, _ = await signed_in()
    known = Callers()
    assert known.presume(claims) is None
    assert known.presume(KeyProof(hash_token("key"))) is None
    await known.find(claims)
    await sessions.end_session(claims)
    with pytest.raises(Unauthenticated):
        await known.find(claims)
    assert known.presume(claims) is None


@pytest.mark.parametrize("change", [change_role, leave, join_another, sign_out], ids=lambda change: change.__name__)
async def test_whatever_changes_a_callers_rights_is_found_out_by_the_next_read(change: object) -> None:
    claims, workspace_id = await signed_in()
    presumption = await presumed(known := Callers(), claims)
    assert await finds(presumption)
    assert callable(change)
    await change(claims, workspace_id)
    again = known.presume(claims)
    assert again is not None
    assert not await finds(again)
    assert not await known.was_right(again)


async def test_what_no_statement_has_found_out_is_looked_up() -> None:
    claims, workspace_id = await signed_in()
    presumption = await presumed(known := Callers(), claims)
    assert await known.was_right(presumption)
    assert not presumption.guard.has_held
    await change_role(claims, workspace_id)
    assert not await known.was_right(presumption)
    # And remembered.
    renewed = known.presume(claims)
    assert renewed is not None
    assert renewed.principal.rights == {workspace_id: Role.VIEWER}
    await sign_out(claims, workspace_id)
    assert not await known.was_right(renewed)
    assert known.presume(claims) is None


async def test_nobody_else_is_found_by_a_guard() -> None:
    claims, workspace_id = await signed_in()
    other, _ = await signed_in()
    guard = sessions.guard_of(claims, {workspace_id: Role.EDITOR})
    stranger = await sessions.load(other)
    assert await reading_as(stranger).records_if(guard, SOMETHING, ()) == []
    forged = Principal(stranger.subject, {workspace_id: Role.EDITOR}, other, other.expires_at)
    for rights in ({workspace_id: Role.EDITOR}, {}, {**stranger.rights, workspace_id: Role.VIEWER}):
        guard = sessions.guard_of(other, rights)
        assert await reading_as(forged).records_if(guard, "SELECT id FROM agents", ()) == []


@pytest.mark.parametrize("avoided", ["nestloop", "hashjoin", "mergejoin", "material", "seqscan", "indexscan", "sort"])
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
async def test_a_guard_stands_before_what_is_read_however_it_is_planned(avoided: str, mode: str) -> None:
    claims, workspace_id = await signed_in()
    reader = reading_as(await sessions.load(claims))
    guards = [sessions.guard_of(claims, {workspace_id: role}) for role in (Role.EDITOR, Role.OWNER)]
    counts = []
    for guard in guards:
        sql, values = reader.scoped("SELECT id FROM agents WHERE workspace_id = $1", [workspace_id], guard)
        async with transaction() as connection:
            await fetch(connection, f"SET LOCAL enable_{avoided} = off")
            await fetch(connection, f"SET LOCAL plan_cache_mode = {mode}")
            counts.append(len(await fetch(connection, sql, *values)))
    assert counts == [1, 0]


async def test_nothing_of_a_statement_is_executed_where_its_guard_fails() -> None:
    claims, workspace_id = await signed_in()
    reader = reading_as(await sessions.load(claims))
    wrong = sessions.guard_of(claims, {workspace_id: Role.OWNER})
    assert await Agent.read(reader, "WHERE id IS NOT NULL")
    assert await reader.records_if(wrong, "SELECT 1 / (SELECT count(*) - count(*) FROM agents) AS failed", ()) == []

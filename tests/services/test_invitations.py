"""Invitations: whom they are for, what they give, how often and for how long."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.auth import Principal
from core.errors import Conflict, Forbidden, NotFound, SynapseError, ValidationFailed
from core.ids import new_id
from core.permissions import Role
from core.tokens import hash_token
from models.database import fetch, open_connection, transaction
from models.invitations import Invitation
from models.workspaces import Membership
from services import invitations, members
from services.invitations import LIFETIME, Invited
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")


@dataclass(frozen=True, slots=True)
class Scene:
    """A workspace with somebody who invites, and somebody of another workspace who may be invited."""

    workspace_id: UUID
    inviter: Principal
    guest: Principal

    async def invite(self, role: Role = Role.EDITOR, email: str | None = None) -> Invited:
        return await invitations.invite(self.inviter, self.workspace_id, email or address(self.guest), role)


def address(principal: Principal) -> str:
    """The e-mail address that `make_member` gives."""
    return f"{principal.user_id}@example.com"


@pytest.fixture
async def scene() -> Scene:
    workspace_id = await make_workspace()
    await make_member(workspace_id, Role.OWNER)
    return Scene(
        workspace_id,
        await make_member(workspace_id, Role.ADMIN),
        await make_member(await make_workspace(), Role.OWNER),
    )


async def expire(workspace_id: UUID) -> None:
    async with transaction([workspace_id]):
        await Invitation.filter(workspace_id=workspace_id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))


async def test_accepting_makes_a_member_of_the_role(scene: Scene) -> None:
    invited = await scene.invite(Role.VIEWER)
    assert abs(invited.expires_at - datetime.now(UTC) - LIFETIME) < timedelta(minutes=1)
    membership = await invitations.accept(scene.guest, invited.token)
    assert (membership.workspace_id, membership.user_id, membership.role) == (
        scene.workspace_id,
        scene.guest.user_id,
        Role.VIEWER,
    )


async def test_the_token_itself_is_not_kept(scene: Scene, database_url: str) -> None:
    invited = await scene.invite()
    connection = await open_connection(database_url)
    text = await connection.fetchval("SELECT i::text FROM invitations i WHERE id = $1", invited.id)
    await connection.close()
    assert hash_token(invited.token) in text
    assert invited.token not in text


async def test_a_token_works_once_however_often_it_is_sent(scene: Scene) -> None:
    invited = await scene.invite()
    answers = await asyncio.gather(
        *(invitations.accept(scene.guest, invited.token) for _ in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(Membership) == 1
    assert [type(answer) for answer in answers].count(NotFound) == 4
    await members.remove(scene.inviter, next(a.id for a in answers if isinstance(a, Membership)))
    with pytest.raises(NotFound):
        await invitations.accept(scene.guest, invited.token)


async def test_it_is_for_one_address_in_any_letter_case(scene: Scene) -> None:
    invited = await scene.invite(email=address(scene.guest).upper())
    with pytest.raises(NotFound):
        await invitations.accept(await make_member(await make_workspace()), invited.token)
    await invitations.accept(scene.guest, invited.token)


@pytest.mark.parametrize("token", ["", "x", "a" * 10_000, "\x00", "é", "\ud800"])
async def test_a_token_that_is_none_finds_nothing(scene: Scene, token: str) -> None:
    await scene.invite()
    with pytest.raises(NotFound):
        await invitations.accept(scene.guest, token)


async def test_after_its_time_it_is_worth_nothing(scene: Scene) -> None:
    invited = await scene.invite()
    await expire(scene.workspace_id)
    with pytest.raises(NotFound):
        await invitations.accept(scene.guest, invited.token)


async def test_a_new_invitation_takes_the_place_of_the_one_before(scene: Scene) -> None:
    first, second = await scene.invite(Role.ADMIN), await scene.invite(Role.VIEWER)
    with pytest.raises(NotFound):
        await invitations.accept(scene.guest, first.token)
    assert (await invitations.accept(scene.guest, second.token)).role is Role.VIEWER


async def test_only_owners_replace_the_invitation_of_an_owner(scene: Scene) -> None:
    boss = await make_member(scene.workspace_id, Role.OWNER)
    invited = await invitations.invite(boss, scene.workspace_id, address(scene.guest), Role.OWNER)
    with pytest.raises(Forbidden) as caught:
        await scene.invite(Role.VIEWER)
    assert caught.value.path == ("input", "email")
    assert (await invitations.accept(scene.guest, invited.token)).role is Role.OWNER


async def test_only_owners_take_back_the_invitation_of_an_owner(scene: Scene) -> None:
    owner = await make_member(scene.workspace_id, Role.OWNER)
    invited = await invitations.invite(owner, scene.workspace_id, address(scene.guest), Role.OWNER)
    with pytest.raises(Forbidden):
        await invitations.revoke(scene.inviter, invited.id)
    await invitations.revoke(owner, invited.id)


async def test_taken_back_and_accepted_at_once_it_is_either(scene: Scene) -> None:
    invited = await scene.invite()
    outcomes = await asyncio.gather(
        invitations.accept(scene.guest, invited.token),
        invitations.revoke(scene.inviter, invited.id),
        return_exceptions=True,
    )
    assert [isinstance(outcome, NotFound) for outcome in outcomes].count(True) == 1, outcomes


async def test_expired_ones_are_cleared_away(scene: Scene) -> None:
    await scene.invite(email="somebody@example.com")
    await expire(scene.workspace_id)
    invited = await scene.invite()
    async with transaction([scene.workspace_id]):
        assert await Invitation.all().values_list("id", flat=True) == [invited.id]


@pytest.mark.parametrize("inviter", Role)
@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
async def test_nobody_invites_above_what_they_may_manage(scene: Scene, inviter: Role, role: Role) -> None:
    principal = await make_member(scene.workspace_id, inviter)
    call = invitations.invite(principal, scene.workspace_id, address(scene.guest), role)
    if inviter is Role.OWNER or (inviter is Role.ADMIN and role is not Role.OWNER):
        assert (await invitations.accept(scene.guest, (await call).token)).role is role
    else:
        with pytest.raises(Forbidden):
            await call


@pytest.mark.parametrize("role", [Role.EDITOR, None], ids=["demoted", "removed"])
async def test_an_invitation_is_worth_what_its_inviter_may_give_now(scene: Scene, role: Role | None) -> None:
    boss = await make_member(scene.workspace_id, Role.OWNER)
    invited = await scene.invite()
    async with transaction([scene.workspace_id]):
        theirs = await Membership.get(user_id=scene.inviter.user_id, workspace_id=scene.workspace_id)
    await (members.change_role(boss, theirs.id, role) if role else members.remove(boss, theirs.id))
    with pytest.raises(NotFound):
        await invitations.accept(scene.guest, invited.token)


async def test_a_member_is_not_invited_and_does_not_join_again(scene: Scene) -> None:
    invited = await scene.invite()
    async with transaction([scene.workspace_id]):
        await Membership.create(workspace_id=scene.workspace_id, user_id=scene.guest.user_id, role=Role.VIEWER)
    with pytest.raises(Conflict) as caught:
        await invitations.accept(scene.guest, invited.token)
    assert caught.value.path == ("input", "token")
    with pytest.raises(Conflict) as caught:
        await scene.invite()
    assert caught.value.path == ("input", "email")


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "a\x00@example.com", f"{'a' * 400}@example.com"])
async def test_what_is_no_address_is_refused(scene: Scene, email: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await invitations.invite(scene.inviter, scene.workspace_id, email, Role.VIEWER)
    assert caught.value.path == ("input", "email")


async def test_into_a_workspace_of_others_nobody_invites(scene: Scene) -> None:
    for workspace_id in (scene.workspace_id, new_id()):
        with pytest.raises(SynapseError) as caught:
            await invitations.invite(scene.guest, workspace_id, "a@example.com", Role.VIEWER)
        assert isinstance(caught.value, NotFound)


async def test_row_level_security_alone_shows_it_to_the_invited_with_the_token_only(scene: Scene) -> None:
    invited = await scene.invite()
    other, token_hash = await make_member(await make_workspace()), hash_token(invited.token)
    count = "SELECT count(*) AS count FROM invitations"
    for user_id, asked, seen in (
        (scene.guest.user_id, token_hash, 1),
        (scene.guest.user_id, hash_token("another"), 0),
        (scene.guest.user_id, None, 0),
        (other.user_id, token_hash, 0),
        (None, token_hash, 0),
    ):
        async with transaction(user_id=user_id, token_hash=asked) as connection:
            assert (await fetch(connection, count))[0]["count"] == seen

"""Who may change whom, and that no workspace is left without an owner, whoever comes at the same moment."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from core.errors import Conflict, Forbidden, NotFound, SynapseError
from core.ids import new_id
from core.permissions import Role
from core.principals import Principal
from models.database import transaction
from models.former_members import FormerMember
from models.users import User
from models.workspaces import Membership
from services import members
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")


@pytest.fixture
async def workspace_id() -> UUID:
    return await make_workspace()


async def membership(principal: Principal) -> Membership:
    [workspace_id] = principal.workspace_ids
    async with transaction([workspace_id]):
        return await Membership.get(workspace_id=workspace_id, user_id=principal.user_id)


async def roles_in(workspace_id: UUID) -> list[Role]:
    async with transaction([workspace_id]):
        return [row.role for row in await Membership.filter(workspace_id=workspace_id).order_by("id")]


async def settled(*calls: Awaitable[Any]) -> list[type[SynapseError] | None]:
    """What each of these calls, made at the same time, raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    unexpected = [
        answer for answer in answers if isinstance(answer, Exception) and not isinstance(answer, SynapseError)
    ]
    assert unexpected == []
    return [type(answer) if isinstance(answer, SynapseError) else None for answer in answers]


@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("subject", [Role.OWNER, Role.EDITOR])
@pytest.mark.parametrize("wanted", [Role.OWNER, Role.VIEWER])
async def test_admins_manage_all_but_owners_and_owners_manage_all(
    workspace_id: UUID, actor: Role, subject: Role, wanted: Role
) -> None:
    await make_member(workspace_id, Role.OWNER)
    caller, other = await make_member(workspace_id, actor), await make_member(workspace_id, subject)
    allowed = actor is Role.OWNER or (actor is Role.ADMIN and Role.OWNER not in (subject, wanted))
    key = (await membership(other)).id
    assert await settled(members.change_role(caller, key, wanted)) == [None if allowed else Forbidden]
    now = wanted if allowed else subject
    assert (await membership(other)).role is now
    may_remove = actor is Role.OWNER or (actor is Role.ADMIN and now is not Role.OWNER)
    assert await settled(members.remove(caller, key)) == [None if may_remove else Forbidden]
    assert len(await roles_in(workspace_id)) == (2 if may_remove else 3)


@pytest.mark.parametrize("role", Role)
async def test_everybody_may_leave(workspace_id: UUID, role: Role) -> None:
    await make_member(workspace_id, Role.OWNER)
    member = await make_member(workspace_id, role)
    await members.remove(member, (await membership(member)).id)
    assert await roles_in(workspace_id) == [Role.OWNER]


async def test_the_last_owner_stays_one(workspace_id: UUID) -> None:
    owner = await make_member(workspace_id, Role.OWNER)
    await make_member(workspace_id, Role.ADMIN)
    own = (await membership(owner)).id
    with pytest.raises(Conflict, match="last owner"):
        await members.remove(owner, own)
    for role in (Role.ADMIN, Role.EDITOR, Role.VIEWER):
        with pytest.raises(Conflict, match="last owner"):
            await members.change_role(owner, own, role)
    assert (await members.change_role(owner, own, Role.OWNER)).role is Role.OWNER


async def test_owners_who_all_leave_at_the_same_moment_leave_one_behind(workspace_id: UUID) -> None:
    owners = [await make_member(workspace_id, Role.OWNER) for _ in range(6)]
    keys = [(await membership(owner)).id for owner in owners]
    outcomes = await settled(
        *(members.remove(owner, key) for owner, key in zip(owners[:3], keys[:3], strict=True)),
        *(members.change_role(owner, key, Role.VIEWER) for owner, key in zip(owners[3:], keys[3:], strict=True)),
    )
    assert sorted(outcomes, key=str) == sorted([Conflict] + [None] * 5, key=str)
    assert (await roles_in(workspace_id)).count(Role.OWNER) == 1


async def test_of_owners_who_remove_one_another_one_stays(workspace_id: UUID) -> None:
    ada, bob = await make_member(workspace_id, Role.OWNER), await make_member(workspace_id, Role.OWNER)
    ours, theirs = (await membership(ada)).id, (await membership(bob)).id
    outcomes = await settled(members.remove(ada, theirs), members.remove(bob, ours))
    assert sorted(outcomes, key=str) == sorted([None, NotFound], key=str)
    assert await roles_in(workspace_id) == [Role.OWNER]


async def test_a_role_that_was_lost_meanwhile_counts_no_more(workspace_id: UUID) -> None:
    """The principal was read before somebody else changed the role."""
    boss, former = await make_member(workspace_id, Role.OWNER), await make_member(workspace_id, Role.OWNER)
    target = (await membership(await make_member(workspace_id, Role.VIEWER))).id
    await members.change_role(boss, (await membership(former)).id, Role.EDITOR)
    for call in (
        members.change_role(former, target, Role.OWNER),
        members.remove(former, target),
        members.transfer_ownership(former, target),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_ownership_is_handed_over_at_once(workspace_id: UUID) -> None:
    owner, heir = await make_member(workspace_id, Role.OWNER), await make_member(workspace_id, Role.VIEWER)
    theirs, own = await members.transfer_ownership(owner, (await membership(heir)).id)
    assert (theirs.role, own.role) == (Role.OWNER, Role.ADMIN)
    assert ((await membership(heir)).role, (await membership(owner)).role) == (Role.OWNER, Role.ADMIN)
    with pytest.raises(Forbidden):
        await members.transfer_ownership(owner, own.id)
    with pytest.raises(Conflict):
        await members.transfer_ownership(heir, theirs.id)


async def test_ownership_that_is_handed_over_twice_at_once_goes_to_one(workspace_id: UUID) -> None:
    owner = await make_member(workspace_id, Role.OWNER)
    heirs = [(await membership(await make_member(workspace_id, Role.EDITOR))).id for _ in range(3)]
    outcomes = await settled(*(members.transfer_ownership(owner, heir) for heir in heirs))
    assert sorted(outcomes, key=str) == sorted([None, Forbidden, Forbidden], key=str)
    assert (await roles_in(workspace_id)).count(Role.OWNER) == 1


@pytest.mark.parametrize("role", [Role.ADMIN, Role.EDITOR, Role.VIEWER])
async def test_only_owners_hand_the_ownership_over(workspace_id: UUID, role: Role) -> None:
    await make_member(workspace_id, Role.OWNER)
    member = await make_member(workspace_id, role)
    with pytest.raises(Forbidden):
        await members.transfer_ownership(member, (await membership(member)).id)


async def test_members_of_other_workspaces_are_not_there(workspace_id: UUID) -> None:
    owner = await make_member(workspace_id, Role.OWNER)
    stranger = (await membership(await make_member(await make_workspace(), Role.VIEWER))).id
    for key in (stranger, new_id()):
        for call in (
            members.change_role(owner, key, Role.ADMIN),
            members.remove(owner, key),
            members.transfer_ownership(owner, key),
        ):
            with pytest.raises(NotFound):
                await call


async def test_whoever_left_is_still_known_there_and_only_there(workspace_id: UUID) -> None:
    owner, member = await make_member(workspace_id, Role.OWNER), await make_member(workspace_id, Role.EDITOR)
    for _ in range(2):  # they may come back and leave again
        await members.remove(owner, (await membership(member)).id)
        async with transaction([workspace_id]):
            assert await User.exists(id=member.user_id)
            assert await FormerMember.filter(user_id=member.user_id).count() == 1
            await Membership.create(workspace_id=workspace_id, user_id=member.user_id, role=Role.EDITOR)
    async with transaction([await make_workspace()]):
        assert not await User.exists(id=member.user_id)

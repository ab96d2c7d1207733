"""Who a session's user is, and in which workspaces."""

from datetime import UTC, datetime, timedelta

import pytest

from core.auth import AccessClaims
from core.errors import Unauthenticated
from core.permissions import Role
from core.principals import Principal
from models.database import fetch, reading, transaction
from models.refresh_tokens import RefreshToken
from models.workspaces import Membership
from services import sessions
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")


async def sign_in(member: Principal) -> AccessClaims:
    assert isinstance(member.proof, AccessClaims)
    claims = member.proof
    async with transaction(user_id=claims.user_id):
        for number in range(2):
            await RefreshToken.create(
                session_id=claims.session_id,
                user_id=claims.user_id,
                token_hash=f"{claims.session_id}{number}",
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
    return claims


async def test_the_rights_are_those_of_the_moment() -> None:
    workspace_id, another_id = await make_workspace(), await make_workspace()
    claims = await sign_in(await make_member(workspace_id, Role.OWNER))
    await sign_in(await make_member(workspace_id, Role.VIEWER))
    assert (await sessions.load(claims)).rights == {workspace_id: Role.OWNER}
    async with transaction([workspace_id, another_id], user_id=claims.user_id):
        await Membership.create(workspace_id=another_id, user_id=claims.user_id, role=Role.VIEWER)
    assert (await sessions.load(claims)).rights == {workspace_id: Role.OWNER, another_id: Role.VIEWER}
    async with transaction([workspace_id, another_id], user_id=claims.user_id):
        await Membership.filter(user_id=claims.user_id).delete()
    assert (await sessions.load(claims)).rights == {}
    await sessions.end_session(claims)
    with pytest.raises(Unauthenticated):
        await sessions.load(claims)


@pytest.mark.parametrize("without", ["nestloop", "hashjoin", "mergejoin", "material", "seqscan", "indexscan"])
async def test_the_scope_is_set_before_anything_is_read_whatever_the_plan(without: str) -> None:
    workspace_id = await make_workspace()
    claims = await sign_in(await make_member(workspace_id, Role.EDITOR))
    scope = reading((), user_id=claims.user_id)
    sql, values = scope.scoped(sessions._PRINCIPAL, (claims.session_id, claims.user_id))
    async with transaction() as connection:
        await fetch(connection, f"SET LOCAL enable_{without} = off")
        found = await fetch(connection, sql, *values)
    assert found == [{"workspace_id": workspace_id, "role": "EDITOR"}]

"""Several people in one workspace, written past the API."""

from core import ids
from core.ids import IdPrefix
from core.permissions import Role
from models.database import transaction
from models.workspaces import Membership
from tests.accounts import Member, sign_up
from tests.servers.app import Server


async def add_member(workspace_id: str, user_id: str, role: Role) -> str:
    """Makes a user a member; the id of the membership."""
    key = ids.decode(IdPrefix.WORKSPACE, workspace_id)
    async with transaction([key]):
        row = await Membership.create(workspace_id=key, user_id=ids.decode(IdPrefix.USER, user_id), role=role)
    return ids.encode(IdPrefix.MEMBERSHIP, row.id)


async def colleague(server: Server, member: Member, role: Role) -> Member:
    """Somebody new who has ``role`` in the member's workspace."""
    other = await sign_up(server)
    await add_member(member.workspace_id, other.user_id, role)
    return other

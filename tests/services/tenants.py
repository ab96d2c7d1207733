"""Workspaces with members in them, for tests below the API."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.auth import AccessClaims
from core.ids import IdPrefix, new_id
from core.permissions import Role
from core.principals import Principal
from models.database import transaction
from models.users import User
from models.workspaces import Membership, Workspace


async def make_workspace() -> UUID:
    """The id of a new workspace with nobody in it."""
    workspace_id = new_id()
    async with transaction([workspace_id]):
        await Workspace.create(id=workspace_id, name="Lab", slug=f"lab-{workspace_id}")
    return workspace_id


async def make_member(workspace_id: UUID, role: Role = Role.EDITOR) -> Principal:
    """A new user in that workspace alone, signed in."""
    user_id = new_id()
    async with transaction([workspace_id], user_id=user_id):
        await User.create(id=user_id, email=f"{user_id}@example.com", name="Ada", password_hash="-")
        await Membership.create(workspace_id=workspace_id, user_id=user_id, role=role)
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    claims = AccessClaims(user_id, new_id(), expires_at)
    return Principal((IdPrefix.USER, user_id), {workspace_id: role}, claims, expires_at)

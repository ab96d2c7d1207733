"""The end users of workspaces, and the tokens by which pages say who uses them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.auth import KeyRing
from core.errors import ValidationFailed
from core.ids import new_id
from core.inputs import require_text
from core.permissions import Permission
from core.principals import Principal
from models.database import fetch, seen_by
from models.end_users import EndUser

MAX_EXTERNAL_ID_CHARS = 255
MAX_LIFETIME = timedelta(days=1)

_ADD = """
INSERT INTO end_users (id, workspace_id, external_id, created_at) VALUES ($1, $2, $3, now())
ON CONFLICT (workspace_id, external_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class EndUserToken:
    """A token that says who uses a page, until ``expires_at``."""

    token: str
    expires_at: datetime
    end_user: EndUser


async def mint_token(
    principal: Principal, keys: KeyRing, workspace_id: UUID, external_id: str, lifetime: timedelta
) -> EndUserToken:
    """A token for whom the workspace knows as ``external_id``; the first one makes the end user.

    Raises:
        NotFound: no such workspace for the caller. Forbidden: the caller may not do this there.
        ValidationFailed: the id can't be one, or the lifetime is not within one second and one day.
    """
    principal.require(workspace_id, Permission.MINT_END_USER_TOKENS, ("input", "workspaceId"))
    external_id = require_text(
        external_id, ("input", "externalId"), max_chars=MAX_EXTERNAL_ID_CHARS, what="The end user's id"
    )
    if not timedelta(seconds=1) <= lifetime <= MAX_LIFETIME:
        most = int(MAX_LIFETIME.total_seconds())
        raise ValidationFailed(f"A token lives from 1 to {most:,} seconds.", ("input", "lifetimeSeconds"))
    async with seen_by(principal) as connection:
        await fetch(connection, _ADD, new_id(), workspace_id, external_id)
        end_user = await EndUser.get(workspace_id=workspace_id, external_id=external_id)
    token, expires_at = keys.issue_end_user_token(end_user.id, workspace_id, lifetime)
    return EndUserToken(token, expires_at, end_user)

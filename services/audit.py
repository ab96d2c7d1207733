"""The audit record: whatever changes members, roles, credentials or agents adds to it, in its own transaction."""

from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from core.ids import IdPrefix, encode, new_id
from models.database import Connection, fetch

_INSERT = """
INSERT INTO audit_events (id, workspace_id, at, action, actor, actor_id, target_id, detail)
SELECT $1, $2, now(), $3, u.email, $4, $5, $6 FROM users u WHERE u.id = $7
RETURNING id
"""
_INSERT_BY_SYSTEM = """
INSERT INTO audit_events (id, workspace_id, at, action, actor, target_id, detail)
VALUES ($1, $2, now(), $3, 'system', $4, $5)
"""


class Action(StrEnum):
    """What can have happened, in the past tense."""

    WORKSPACE_CREATED = "workspace.created"
    MEMBER_INVITED = "member.invited"
    INVITATION_REVOKED = "invitation.revoked"
    MEMBER_JOINED = "member.joined"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    PROVIDER_CREDENTIAL_SET = "provider_credential.set"
    PROVIDER_CREDENTIAL_REWRAPPED = "provider_credential.rewrapped"
    AGENT_CREATED = "agent.created"
    AGENT_UPDATED = "agent.updated"
    AGENT_PUBLISHED = "agent.published"
    AGENT_ARCHIVED = "agent.archived"


async def record(
    connection: Connection,
    actor_id: UUID,
    workspace_id: UUID,
    action: Action,
    target: tuple[IdPrefix, UUID],
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an event to the workspace's record, within the transaction under way, which makes the change.

    ``actor_id``: the user who makes it, whom the transaction can see. ``before``, ``after``: what changed, in the API's
    words and without secrets; None where there was nothing, or is nothing any more.
    """
    detail = orjson.dumps({"before": before, "after": after}).decode()
    actor, names = encode(IdPrefix.USER, actor_id), encode(*target)
    added = await fetch(connection, _INSERT, new_id(), workspace_id, action.value, actor, names, detail, actor_id)
    if not added:
        raise RuntimeError(f"The user {actor_id} is not visible here: what is not on record must not happen.")


async def record_by_system(
    connection: Connection,
    workspace_id: UUID,
    action: Action,
    target: tuple[IdPrefix, UUID],
    *,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    """The same for what no member does, but whoever runs the server: its actor is ``system``."""
    detail = orjson.dumps({"before": before, "after": after}).decode()
    await fetch(connection, _INSERT_BY_SYSTEM, new_id(), workspace_id, action.value, encode(*target), detail)

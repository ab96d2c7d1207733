"""Workspaces, the tenants: making them."""

import re
import secrets
import unicodedata
from uuid import UUID

from core.errors import Conflict, ValidationFailed
from core.ids import IdPrefix, encode, new_id
from core.inputs import Path, require_text
from core.permissions import Role
from core.principals import Principal
from models.database import Connection, fetch, transaction
from models.workspaces import Membership
from services import idempotency
from services.audit import Action, record

MAX_NAME_CHARS = 200
MAX_SLUG_CHARS = 63
SLUG_PATH: Path = ("input", "slug")

_SLUG = re.compile(r"[a-z0-9-]{3,63}")
_SUFFIX_BYTES = 4

# Row-level security hides other tenants' slugs, so only the insertion itself can tell whether one is free.
_INSERT = """
INSERT INTO workspaces (id, name, slug, created_at) VALUES ($1, $2, $3, now())
ON CONFLICT (slug) DO NOTHING RETURNING id
"""


async def create_workspace(principal: Principal, name: str, slug: str | None, idempotency_key: str | None) -> UUID:
    """Make a workspace that ``principal`` owns; its id, or that of the one that the same key made before.

    Raises:
        ValidationFailed: the name or the slug can't be one.
        Forbidden: the caller is no person.
        Conflict: the slug is taken, or the key was used for another request.
    """
    user_id = principal.require_person().user_id
    name = require_name(name, ("input", "name"))
    if slug is not None and not _SLUG.fullmatch(slug):
        raise ValidationFailed("A slug has 3 to 63 characters, each of a-z, 0-9 and -.", SLUG_PATH)
    workspace_id = new_id()
    async with transaction([workspace_id], user_id=user_id) as connection:
        earlier_id = await idempotency.claim(
            connection,
            scope_id=user_id,
            key=idempotency_key,
            request={"mutation": "createWorkspace", "name": name, "slug": slug},
            result_id=workspace_id,
        )
        if earlier_id is not None:
            return earlier_id
        await insert_workspace(connection, workspace_id, name, slug, owner_id=user_id)
    return workspace_id


async def insert_workspace(
    connection: Connection, workspace_id: UUID, name: str, slug: str | None, *, owner_id: UUID
) -> None:
    """Write a workspace and its owner's membership; without a slug, under one made from its name.

    Raises:
        Conflict: the slug is taken.
    """
    wanted = slug or slug_of(name)
    while not await fetch(connection, _INSERT, workspace_id, name, wanted):
        if slug is not None:
            raise Conflict("This slug is taken.", SLUG_PATH)
        wanted = f"{slug_of(name)}-{secrets.token_hex(_SUFFIX_BYTES)}"
    await Membership.create(workspace_id=workspace_id, user_id=owner_id, role=Role.OWNER)
    after = {"name": name, "slug": wanted, "ownerId": encode(IdPrefix.USER, owner_id)}
    target = (IdPrefix.WORKSPACE, workspace_id)
    await record(connection, (IdPrefix.USER, owner_id), workspace_id, Action.WORKSPACE_CREATED, target, after=after)


def require_name(name: str, path: Path) -> str:
    """``name``, if a workspace can have it."""
    return require_text(name, path, max_chars=MAX_NAME_CHARS, what="The workspace's name")


def slug_of(name: str) -> str:
    """A slug that reads like ``name``, with room for a suffix; ``workspace`` where nothing of it can be kept."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    slug = slug[: MAX_SLUG_CHARS - 2 * _SUFFIX_BYTES - 1].strip("-")
    return slug if len(slug) >= 3 else f"{slug}-workspace".strip("-")

"""Public identifiers: TypeIDs (https://github.com/jetify-com/typeid), stored as UUIDv7.

``run_01k9...`` outside, a plain ``uuid`` in the database: readable in logs and URLs, unique across types, and
ordered by time in indexes.
"""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from typeid import TypeID
from typeid.base32 import encode as base32
from typeid.errors import TypeIDException
from uuid_utils.compat import uuid7

from core.errors import NotFound


class IdPrefix(StrEnum):
    """The prefix of each kind of object."""

    USER = "user"
    MEMBERSHIP = "member"
    INVITATION = "invite"
    AUDIT_EVENT = "audit"
    WORKSPACE = "ws"
    API_KEY = "key"
    END_USER = "enduser"
    PROVIDER_CREDENTIAL = "cred"
    AGENT = "agent"
    AGENT_VERSION = "agentver"
    THREAD = "thread"
    MESSAGE = "msg"
    RUN = "run"
    RUN_STEP = "step"
    WORKFLOW = "wf"
    MEMORY_BANK = "bank"
    APPROVAL = "approval"
    BUDGET = "budget"


def new_id() -> UUID:
    """A fresh UUIDv7: later ones of one process sort after earlier ones."""
    return uuid7()


def encode(prefix: IdPrefix, uuid: UUID) -> str:
    """The public form of ``uuid`` as an object of kind ``prefix``."""
    return prefix + "_" + base32(uuid.bytes)


def encode_all(prefix: IdPrefix, keys: Iterable[bytes]) -> list[str]:
    """As `encode`, of many objects of one kind, by the 16 bytes of each UUID."""
    return list(map((prefix + "_").__add__, map(base32, keys)))


def parse(text: str) -> tuple[IdPrefix, UUID] | None:
    """The kind and UUID that ``text`` names, or None when it is no identifier of ours."""
    try:
        typeid = TypeID.from_string(text)
        return IdPrefix(typeid.prefix), UUID(bytes=typeid.uuid_bytes)
    except (TypeIDException, ValueError):
        return None


def decode(prefix: IdPrefix, text: str, path: tuple[str, ...] = ()) -> UUID:
    """The UUID of an object of kind ``prefix``.

    Raises:
        NotFound: ``text`` is garbage or names an object of another kind, so nothing of this kind can be there.
    """
    parsed = parse(text)
    if parsed is None or parsed[0] is not prefix:
        raise NotFound(f"There is no {prefix.name.lower().replace('_', ' ')} with this id.", path)
    return parsed[1]

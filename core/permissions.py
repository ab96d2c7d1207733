"""What each role, and each scope of an API key, may do in a workspace: the one table, which all code asks and
docs/permissions.md prints.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

from core.errors import Forbidden


class Role(StrEnum):
    """A member's role in a workspace; each may do all that the next may."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    EDITOR = "EDITOR"
    VIEWER = "VIEWER"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) <= order.index(needed)

    def may(self, permission: "Permission") -> bool:
        return self.covers(permission.least_role)

    def require(self, permission: "Permission", path: tuple[str, ...] = ()) -> None:
        """Raises Forbidden for a role that may not."""
        if not self.may(permission):
            raise Forbidden(f"This needs the role {permission.least_role.value}; yours is {self.value}.", path)


class Scope(StrEnum):
    """What an API key may be for. None includes another."""

    READ = "READ"
    WRITE = "WRITE"
    RUN = "RUN"
    ADMIN = "ADMIN"
    END_USERS = "END_USERS"


# What a key can be for that everybody can read.
BROWSER_SCOPES = frozenset({Scope.READ, Scope.RUN})


@dataclass(frozen=True, slots=True)
class Scopes:
    """What an API key may do: to it what a role is to a member."""

    held: frozenset[Scope]

    def may(self, permission: "Permission") -> bool:
        return permission.scope in self.held

    def require(self, permission: "Permission", path: tuple[str, ...] = ()) -> None:
        """Raises Forbidden for a key that may not."""
        if permission.scope is None:
            raise Forbidden("This is for people, and not for API keys.", path)
        if not self.may(permission):
            held = ", ".join(scope.value for scope in Scope if scope in self.held)
            raise Forbidden(f"This needs the scope {permission.scope.value}; the API key has {held} here.", path)


Rights: TypeAlias = Role | Scopes


class Permission(Enum):
    """Something that a member may do if their role is ``least_role`` or above, and an API key if it has ``scope``; no
    key where that is None. ``what`` says it in words.
    """

    def __init__(self, least_role: Role, scope: Scope | None, what: str) -> None:
        self.least_role = least_role
        self.scope = scope
        self.what = what

    READ = Role.VIEWER, Scope.READ, "See the workspace, its members, agents, conversations, runs and usage"
    LEAVE = Role.VIEWER, None, "Leave the workspace, unless they are its last owner"
    CONFIGURE = Role.EDITOR, Scope.WRITE, "Make, change, publish and archive agents"
    RUN = Role.EDITOR, Scope.RUN, "Start and cancel runs"
    TRUST_OPERATIONS = Role.EDITOR, Scope.WRITE, "Say which operations browser keys may run"
    MINT_END_USER_TOKENS = Role.EDITOR, Scope.END_USERS, "Make tokens for end users"
    MANAGE_MEMBERS = Role.ADMIN, Scope.ADMIN, "Invite members, change their roles and remove them, owners excepted"
    MANAGE_KEYS = Role.ADMIN, Scope.ADMIN, "Make and revoke API keys, and see which there are"
    MANAGE_CREDENTIALS = Role.ADMIN, Scope.ADMIN, "Set the credentials of model providers, and see which there are"
    READ_AUDIT = Role.ADMIN, Scope.ADMIN, "Read the audit record"
    MANAGE_OWNERS = Role.OWNER, None, "Invite, make, change and remove owners, and hand the ownership over"


def permitted(rights: Rights | None) -> frozenset[Permission]:
    """All that these rights give; nothing without any."""
    return frozenset(permission for permission in Permission if rights is not None and rights.may(permission))

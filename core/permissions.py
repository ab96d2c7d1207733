"""What each role may do in a workspace: the one table, which all code asks and docs/permissions.md prints."""

from enum import Enum, StrEnum

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


class Permission(Enum):
    """Something that a member may do if their role is ``least_role`` or above; ``what`` says it in words."""

    def __init__(self, least_role: Role, what: str) -> None:
        self.least_role = least_role
        self.what = what

    READ = Role.VIEWER, "See the workspace, its members, agents, conversations, runs and usage"
    LEAVE = Role.VIEWER, "Leave the workspace, unless they are its last owner"
    CONFIGURE = Role.EDITOR, "Make, change, publish and archive agents"
    RUN = Role.EDITOR, "Start and cancel runs"
    MANAGE_MEMBERS = Role.ADMIN, "Invite members, change their roles and remove them, owners excepted"
    MANAGE_CREDENTIALS = Role.ADMIN, "Set the credentials of model providers, and see which there are"
    READ_AUDIT = Role.ADMIN, "Read the audit record"
    MANAGE_OWNERS = Role.OWNER, "Invite, make, change and remove owners, and hand the ownership over"

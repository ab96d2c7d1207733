"""Who calls: a person who is signed in, an API key, or somebody on a web page that uses a browser key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from core.auth import AccessClaims, EndUserClaims
from core.errors import Forbidden, NotFound
from core.ids import IdPrefix
from core.permissions import Permission, Rights, permitted

Subject: TypeAlias = tuple[IdPrefix, UUID]
"""Somebody or something that acts, and what kind it is of."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sends to say who calls. ``origin``: the web page's, as browsers tell it, and others as they like.
    ``end_user_token`` goes with a browser key.
    """

    token: str = field(repr=False)
    origin: str | None = None
    end_user_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeyProof:
    """An API key's secret was shown, whose SHA-256 in hex is ``secret_hash``; with it an end user's token, if any."""

    secret_hash: str
    origin: str | None = None
    end_user: EndUserClaims | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. ``rights`` maps the id of each workspace in which they may do anything to what they may do there.

    ``proof``: what they showed, by which their rights can be looked up anew. ``expires_at``: when that is worth nothing
    any more; None if that never comes by itself. ``api_key_id``: the key by which they call, if it is by one.
    ``on_page``: it is a browser key, so that they run trusted operations only, and see nothing of the workspace's
    conversations but those of the end user whom they are, where they have shown to be one.
    """

    subject: Subject
    rights: Mapping[UUID, Rights]
    proof: AccessClaims | KeyProof
    expires_at: datetime | None
    api_key_id: UUID | None = None
    on_page: bool = False

    @property
    def id(self) -> UUID:
        return self.subject[1]

    @property
    def user_id(self) -> UUID | None:
        """The person's; None for an API key."""
        return self.id if self.subject[0] is IdPrefix.USER else None

    @property
    def end_user_id(self) -> UUID | None:
        """The end user's, on a page that has shown a token of theirs."""
        return self.id if self.subject[0] is IdPrefix.END_USER else None

    @property
    def account(self) -> str | None:
        """Under what name limits count them; None for visitors of a page, who all call by the same key."""
        is_visitor = self.on_page and self.end_user_id is None
        return None if is_visitor else f"{self.subject[0].value}:{self.id}"

    @property
    def workspace_ids(self) -> tuple[UUID, ...]:
        """The workspaces of which the caller may see everything, as far as rights go."""
        return () if self.on_page else tuple(self.rights)

    @property
    def page_workspace_id(self) -> UUID | None:
        """The workspace of which the caller sees what everybody on its pages may see."""
        return self.key_workspace_id if self.on_page else None

    @property
    def key_workspace_id(self) -> UUID | None:
        """The one workspace of an API key; None for a person, who may be in many."""
        return next(iter(self.rights)) if self.api_key_id else None

    def may(self, workspace_id: UUID, permission: Permission) -> bool:
        """Whether the caller may do this there; not where they have no rights at all."""
        rights = self.rights.get(workspace_id)
        return rights is not None and rights.may(permission)

    def require(self, workspace_id: UUID, permission: Permission, path: tuple[str, ...] = ()) -> None:
        """Raises NotFound for a workspace in which the caller has no rights, Forbidden for one where they may not do
        this.
        """
        rights = self.rights.get(workspace_id)
        if rights is None:
            raise NotFound("There is no workspace with this id.", path)
        rights.require(permission, path)

    def require_person(self) -> AccessClaims:
        """The session of the person who calls; raises Forbidden for an API key."""
        if not isinstance(self.proof, AccessClaims):
            raise Forbidden("This is for people, and not for API keys.")
        return self.proof

    @property
    def expiry(self) -> str:
        """What to say once ``expires_at`` has come."""
        if self.end_user_id:
            return "The end user's token, or the API key, has expired."
        return "The API key has expired." if self.api_key_id else "The access token has expired."

    @property
    def depends_on(self) -> frozenset[UUID]:
        """Whose ids are told when the caller's rights change: of the user, the session, the API key."""
        session = {self.proof.session_id} if isinstance(self.proof, AccessClaims) else set()
        return frozenset({self.id} | session | ({self.api_key_id} if self.api_key_id else set()))

    def lost_in(self, later: "Principal") -> frozenset[UUID]:
        """The workspaces in which the caller has fewer rights ``later`` than here."""
        return frozenset(
            workspace_id
            for workspace_id, rights in self.rights.items()
            if not permitted(rights) <= permitted(later.rights.get(workspace_id))
        )

    def require_reading(self) -> None:
        """Raises Forbidden for an API key that is not for reading. People may read wherever they are."""
        if self.key_workspace_id:
            self.require(self.key_workspace_id, Permission.READ)

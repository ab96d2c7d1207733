"""Who called before, so that who calls now need not be looked up by itself.

A person who called a moment ago has, as a rule, the same rights still. So a query may begin with what they had then,
and its first statement finds out, together with what it reads, whether that is so at this moment; where it finds
nothing, or a transaction is what comes first, they are looked up at the end. Nothing that comes of a presumption is
told to anybody before it is known to have been right: rights are as much those of the moment as where they are looked
up first, and that by what is committed then, not by what a process was told.
"""

from dataclasses import dataclass, replace

from cachetools import LRUCache

from core.auth import AccessClaims
from core.errors import Unauthenticated
from core.principals import KeyProof, Principal
from models.database import Alone, Guard, reading_as
from services import principals, sessions

# Some kilobyte each.
MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Presumption:
    """A caller with the rights that they had last; ``guard``: what finds out whether they still have just these, when
    ``reader`` reads as they do.
    """

    principal: Principal
    reader: Alone
    guard: Guard


class Callers:
    """The people who called this process last."""

    def __init__(self) -> None:
        self._known: LRUCache[AccessClaims, Presumption] = LRUCache(MOST_KNOWN)

    async def find(self, proof: AccessClaims | KeyProof) -> Principal:
        """As `principals.load`, which it is; for people, to be presumed later."""
        if isinstance(proof, KeyProof):
            return await principals.load(proof)
        self._known.pop(proof, None)
        principal = await principals.load(proof)
        guard = sessions.guard_of(proof, principal.rights)
        self._known[proof] = Presumption(principal, reading_as(principal), guard)
        return principal

    def presume(self, proof: AccessClaims | KeyProof) -> Presumption | None:
        """Who will have shown this; None for whom nothing is known of, and for API keys, whose use is noted."""
        known = self._known.get(proof) if isinstance(proof, AccessClaims) else None
        return known and replace(known, guard=replace(known.guard))

    async def was_right(self, presumption: Presumption) -> bool:
        """Whether it was, looked up where no statement has found it out. Otherwise it is not presumed again."""
        if presumption.guard.has_held:
            return True
        try:
            principal = await self.find(presumption.principal.proof)
        except Unauthenticated:
            return False
        return principal == presumption.principal

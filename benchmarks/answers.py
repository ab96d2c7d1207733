"""What the upstream says, to every question: known beforehand, so that every token of it can be checked."""

from collections.abc import Callable
from hashlib import sha256

PACED_HZ = 50

FLAT_OUT = "flat-out"
"""The model that says `TOKENS` as fast as it can."""
PACED = "paced"
"""The model that says `TOKENS`, `PACED_HZ` a second."""
SHORT = "short"
"""The model that says the first of `TOKENS`."""

TOKENS = tuple(f" tok{number:04}" for number in range(256))
TOKEN_CHARS = len(TOKENS[0])
TEXT = "".join(TOKENS)
TEXT_SHA256 = sha256(TEXT.encode()).hexdigest()


class Wrong(Exception):
    """A server lost, doubled or changed something."""


class Received:
    """One stream as it arrives: kept, and taken apart and compared with what was said only once all has been measured,
    so that clients take as little as may be from the machine.

    ``read`` takes a message apart, by calling `take`. ``is_proven``: whether nothing more has to be said for the text
    to count as whole. ``times``: when each token came, in seconds of CLOCK_MONOTONIC, which all processes of a machine
    share. ``events``: in how many pieces.
    """

    def __init__(self, read: Callable[["Received", bytes, float], None], *, is_proven: bool = True) -> None:
        self.is_proven = is_proven
        self.times: list[float] = []
        self.events = 0
        self._read = read
        self._kept: list[tuple[bytes, float]] = []

    def keep(self, message: bytes, at: float) -> None:
        """The next message, and when it came."""
        self._kept.append((message, at))

    def check(self) -> None:
        """Take all that was kept apart. Raises Wrong when it is not what was said, or not all of it."""
        for message, at in self._kept:
            self._read(self, message, at)
        self._kept.clear()
        if len(self.times) != len(TOKENS) or not self.is_proven:
            raise Wrong(f"The stream ended after {len(self.times)} of {len(TOKENS)} tokens.")

    def take(self, text: str, at: float) -> None:
        """The next stretch, whole tokens.

        Raises:
            Wrong: it is not what comes next.
        """
        begin = len(self.times) * TOKEN_CHARS
        if not text or len(text) % TOKEN_CHARS or not TEXT.startswith(text, begin):
            raise Wrong(f"After {len(self.times)} tokens came {text[:80]!r}.")
        self.times += [at] * (len(text) // TOKEN_CHARS)
        self.events += 1

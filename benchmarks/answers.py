"""What the upstream says, to every question: known beforehand, so that every token of it can be checked."""

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
    """The text of one stream as it arrives, compared with what was said. ``times``: when each token came, in seconds
    of CLOCK_MONOTONIC, which all processes of a machine share. ``events``: in how many pieces.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.events = 0

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

    def end(self) -> None:
        """Raises Wrong when something is missing."""
        if len(self.times) != len(TOKENS):
            raise Wrong(f"The stream ended after {len(self.times)} of {len(TOKENS)} tokens.")

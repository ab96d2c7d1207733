"""How often a follower is told of what is said."""

from collections.abc import Callable

EARLY_S = 0.017
"""How much too early a delta may be yielded when it comes; but by half of the pause between two at most. So what comes
at a pace of its own, as a model's tokens do, mostly waits for the next of it, not until some moment in between that no
longer suits the one after that.
"""


class Pace:
    """When the next delta may be yielded. Those that came early, or that other events pushed out, count too, and put
    off the next one; though never beyond a second.

    ``due``: until when a delta waits for others to come, in seconds of the clock.
    """

    def __init__(self, max_hz: int, clock: Callable[[], float]) -> None:
        """``max_hz``: how many a second, on average. ``clock``: tells the time in seconds."""
        self.due = 0.0
        self._interval_s = 1 / max_hz
        self._early_s = min(EARLY_S, self._interval_s / 2)
        self._clock = clock

    @property
    def is_due(self) -> bool:
        """Whether one that has just come may be yielded."""
        return self.due - self._early_s <= self._clock()

    def count(self) -> None:
        """One is yielded."""
        now = self._clock()
        self.due = min(max(self.due, now) + self._interval_s, now + 1.0)

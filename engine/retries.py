"""When a failed model call is made again."""

import random
from dataclasses import dataclass

from core.errors import ProviderFailed
from core.settings import Settings

LONGEST_WAIT_S = 30.0
"""Who asks to wait for longer is not asked again within the run."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.

    ``most_retries``: of one model. ``first_pause_s``: the most to wait before the first retry, twice as much before
    the next, and so on, up to ``LONGEST_WAIT_S``.
    """

    most_retries: int
    first_pause_s: float

    @classmethod
    def of(cls, settings: Settings) -> "RetryPolicy":
        """The operator's."""
        return cls(settings.provider_retries, settings.provider_retry_pause_s)

    def pause_s(self, failure: ProviderFailed, retries: int, left_s: float) -> float | None:
        """How long to wait before trying the model again, after ``retries`` so far; None when that would be no use.

        ``left_s``: what is left of the time that the whole step has. A provider that says how long to wait is believed,
        and not asked at that very moment, when all others come back too.
        """
        asked_s = failure.retry_after_s or 0.0
        if not failure.retryable or retries >= self.most_retries or asked_s > LONGEST_WAIT_S:
            return None
        pause_s = asked_s + random.uniform(0, min(self.first_pause_s * 2.0**retries, LONGEST_WAIT_S))
        return pause_s if pause_s < left_s else None

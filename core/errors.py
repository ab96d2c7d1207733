"""Every error that Synapse raises on purpose, each with the stable code that clients see.

::

    SynapseError
    |-- ValidationFailed        VALIDATION_FAILED     the input is wrong; path says where
    |-- Unauthenticated         UNAUTHENTICATED       no valid token, or wrong credentials
    |-- Forbidden               FORBIDDEN             a member whose role is too low, or a key without the scope
    |-- NotFound                NOT_FOUND             not there, or not there for this caller
    |-- Conflict                CONFLICT              clashes with what is there
    |   `-- IdempotencyConflict IDEMPOTENCY_CONFLICT  the key was used for another request
    |-- RateLimited             RATE_LIMITED          too much, too fast
    |-- CostExceeded            COST_EXCEEDED         one operation asks for more than any may
    |-- OperationTimedOut       TIMED_OUT             a query or mutation took longer than any may
    |-- PersistedQueryNotFound  PERSISTED_QUERY_NOT_FOUND  no document with this hash is known; send its text
    |-- ProviderFailed          PROVIDER_FAILED       the model's provider failed; says whether a retry may help
    |   `-- ProviderTimedOut    TIMED_OUT             the provider did not answer in time
    |-- ToolFailed              TOOL_FAILED           a tool that the model called failed, or is not there
    |-- RunLost                 (never shown)         another process owns the run now; stop writing
    |-- SecretUnreadable        (never shown)         a stored secret can't be decrypted with the keys at hand
    |-- LogUnavailable          (never shown)         the run's events could not be stored; somebody else may resume it
    `-- StartupRefused          (never shown)         the process must not start like this; says what to do
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class ErrorCode(StrEnum):
    """The codes of the public API, in result unions and in ``extensions.code``."""

    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    RATE_LIMITED = "RATE_LIMITED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    COST_EXCEEDED = "COST_EXCEEDED"
    STEPS_EXCEEDED = "STEPS_EXCEEDED"
    PROVIDER_FAILED = "PROVIDER_FAILED"
    TOOL_FAILED = "TOOL_FAILED"
    TIMED_OUT = "TIMED_OUT"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    INTERNAL = "INTERNAL"


class SynapseError(Exception):
    """The root. ``path`` is the place of the fault in the input, outermost first; empty when there is none."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    @property
    def details(self) -> Mapping[str, Any]:
        """What ``extensions`` of a top-level error say besides, in the API's names."""
        return {}


class ValidationFailed(SynapseError):
    code = ErrorCode.VALIDATION_FAILED


class Unauthenticated(SynapseError):
    code = ErrorCode.UNAUTHENTICATED


class Forbidden(SynapseError):
    code = ErrorCode.FORBIDDEN


class NotFound(SynapseError):
    code = ErrorCode.NOT_FOUND


class Conflict(SynapseError):
    code = ErrorCode.CONFLICT


class IdempotencyConflict(Conflict):
    code = ErrorCode.IDEMPOTENCY_CONFLICT


class RateLimited(SynapseError):
    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after_ms: int, path: tuple[str, ...] = ()) -> None:
        super().__init__(message, path)
        self.retry_after_ms = retry_after_ms

    @property
    def details(self) -> Mapping[str, Any]:
        return {"retryAfterMs": self.retry_after_ms}


class CostExceeded(SynapseError):
    """An operation is over a limit on its size. ``measure`` names which, ``limit`` is the most that there may be.

    ``actual`` is how much there is; None where counting went no further than the limit.
    """

    code = ErrorCode.COST_EXCEEDED

    def __init__(self, measure: str, limit: int, actual: int | None) -> None:
        found = "more" if actual is None else actual
        advice = "Ask for less at once: smaller pages, fewer fields, or several operations."
        super().__init__(f"The limit of {measure} is {limit}, and there are {found}. {advice}")
        self.measure = measure
        self.limit = limit
        self.actual = actual

    @property
    def details(self) -> Mapping[str, Any]:
        return {"measure": self.measure, "limit": self.limit, "actual": self.actual}


class OperationTimedOut(SynapseError):
    """A query or a mutation took longer than ``limit_ms``."""

    code = ErrorCode.TIMED_OUT

    def __init__(self, message: str, limit_ms: int) -> None:
        super().__init__(message)
        self.limit_ms = limit_ms

    @property
    def details(self) -> Mapping[str, Any]:
        return {"measure": "milliseconds", "limit": self.limit_ms}


class PersistedQueryNotFound(SynapseError):
    """No document with this hash is known here. Clients recognise the message, letter by letter."""

    code = ErrorCode.PERSISTED_QUERY_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class ProviderFailed(SynapseError):
    """The provider refused, broke off or answered nonsense.

    ``retryable``: the same request may succeed later (rate limits, overload, lost connections), as opposed to a
    request that is wrong in itself. ``retry_after_s``: how long the provider asked to wait, when it said so.
    """

    code = ErrorCode.PROVIDER_FAILED

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ProviderTimedOut(ProviderFailed):
    code = ErrorCode.TIMED_OUT


class ToolFailed(SynapseError):
    code = ErrorCode.TOOL_FAILED


class RunLost(SynapseError):
    """This process no longer owns the run: its epoch was raised. Whoever holds it now does the writing."""


class SecretUnreadable(SynapseError):
    """A stored secret can't be decrypted. The message says why, and nothing of the secret."""


class LogUnavailable(SynapseError):
    """The run's events could not be stored. What was appended last is lost, and the run has to be resumed."""


class Unstorable(SynapseError):
    """An event is nothing that a run's log can hold, however often that is tried."""


class StartupRefused(SynapseError):
    """A process may not start in these circumstances. The message is for the operator, and says what to do."""

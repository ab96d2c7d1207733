"""From errors that were raised to errors that clients see: the one place that knows both.

A ``SynapseError`` becomes the member of the field's result union that stands for it. Where the union has none, or
the field is no mutation, it becomes a top-level error with the same code. Everything else that was raised is masked
and logged, under the request id that the client is told.
"""

from dataclasses import dataclass
from typing import Any, Self

import strawberry
import structlog
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.field import StrawberryField

from core.errors import (
    Conflict,
    ErrorCode,
    Forbidden,
    NotFound,
    RateLimited,
    SynapseError,
    Unauthenticated,
    ValidationFailed,
)
from models.database import is_transient
from schema.budgets import Budget
from schema.enums import publish_enum
from schema.info import Info

log = structlog.get_logger(__name__)

publish_enum(
    ErrorCode,
    "What went wrong, for programs. New codes may be added.",
    VALIDATION_FAILED="The input is wrong; `path` says where.",
    UNAUTHENTICATED="Nobody is signed in, or the credentials are wrong.",
    FORBIDDEN="The caller is a member whose role is too low.",
    NOT_FOUND="It does not exist, or not for this caller.",
    CONFLICT="It clashes with what is there.",
    IDEMPOTENCY_CONFLICT="The idempotency key was used for a different request.",
    RATE_LIMITED="Too many requests; try again later.",
    BUDGET_EXCEEDED="A budget has nothing left for this.",
    COST_EXCEEDED="The operation asks for too much at once.",
    STEPS_EXCEEDED="The run used up its model calls.",
    PROVIDER_FAILED="The model's provider failed.",
    TOOL_FAILED="A tool failed.",
    TIMED_OUT="Something did not answer in time.",
    PERSISTED_QUERY_NOT_FOUND="No document with this hash is known here; send its text along.",
    INTERNAL="A fault of the server; quote the request id when reporting it.",
)


@strawberry.interface(description="An expected failure, returned as data. Concrete types add typed detail.")
class Error:
    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")
    message: str = strawberry.field(description="What went wrong, in a sentence for people.")
    path: list[str] | None = strawberry.field(
        description='Where in the input the fault lies, outermost first: ["input", "config", "model"].'
    )

    @classmethod
    def of(cls, error: SynapseError) -> Self:
        return cls(code=error.code, message=error.message, path=list(error.path) or None)


@strawberry.type(description="The input is wrong; `path` says where.")
class ValidationError(Error):
    pass


@strawberry.type(description="It does not exist, or not for this caller.")
class NotFoundError(Error):
    pass


@strawberry.type(description="The caller's role is too low.")
class ForbiddenError(Error):
    pass


@strawberry.type(description="It clashes with what is there: CONFLICT, or IDEMPOTENCY_CONFLICT for a key used before.")
class ConflictError(Error):
    pass


@strawberry.type(description="The credentials are wrong.")
class UnauthenticatedError(Error):
    pass


@strawberry.type(description="Too many requests.")
class RateLimitedError(Error):
    retry_after_ms: int = strawberry.field(description="How long to wait before trying again, in milliseconds.")

    @classmethod
    def of(cls, error: SynapseError) -> Self:
        assert isinstance(error, RateLimited)
        return cls(code=error.code, message=error.message, path=None, retry_after_ms=error.retry_after_ms)


@strawberry.type(description="A budget has nothing left for this.")
class BudgetExceededError(Error):
    budget: Budget = strawberry.field(description="The budget that is used up.")


@dataclass(frozen=True, slots=True)
class ToUnionMember:
    """Answers a raised ``exception_type`` with ``error_type`` in every field whose result union has that type."""

    exception_type: type[SynapseError]
    error_type: type[Error]

    def handle(self, exception: SynapseError, *, field: StrawberryField, info: Info) -> Error:
        return self.error_type.of(exception)


EXCEPTION_HANDLERS = (
    ToUnionMember(ValidationFailed, ValidationError),
    ToUnionMember(NotFound, NotFoundError),
    ToUnionMember(Forbidden, ForbiddenError),
    ToUnionMember(Conflict, ConflictError),
    ToUnionMember(Unauthenticated, UnauthenticatedError),
    ToUnionMember(RateLimited, RateLimitedError),
)

AWAY = "The service is not available for a moment; try again."

# What graphql-core and strawberry raise about a document or its variables: the client's fault, and fit to be shown.
_CLIENT_FAULTS = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)


class PublicError(GraphQLError):
    """An error that is fit to be sent, with its ``code`` and the request id in ``extensions``."""


def publish(error: GraphQLError, request_id: str) -> PublicError:
    """The form of ``error`` that clients see; what they must not see is logged instead."""
    if isinstance(error, PublicError):
        return error
    cause: Exception | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    message, extensions = _describe(error, cause, request_id)
    return PublicError(message, error.nodes, error.source, error.positions, error.path, extensions=extensions)


def _describe(error: GraphQLError, cause: Exception | None, request_id: str) -> tuple[str, dict[str, Any]]:
    if isinstance(cause, SynapseError) and cause.code is not ErrorCode.INTERNAL:
        path = {"path": list(cause.path)} if cause.path else {}
        return cause.message, {"code": cause.code.value, **path, **cause.details, "requestId": request_id}
    if cause is None or isinstance(cause, _CLIENT_FAULTS):
        return error.message, {"code": ErrorCode.VALIDATION_FAILED.value, "requestId": request_id}
    if is_transient(cause):
        log.warning("the database is away", request_id=request_id, path=error.path, error=repr(cause))
        return AWAY, {"code": ErrorCode.INTERNAL.value, "requestId": request_id}
    log.error("internal_error", request_id=request_id, path=error.path, exc_info=cause)
    return "Internal error", {"code": ErrorCode.INTERNAL.value, "requestId": request_id}

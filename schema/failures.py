"""Why a run or a step failed."""

from typing import Self

import strawberry

from core.errors import ErrorCode
from models.run_steps import RunStep
from models.runs import Run


@strawberry.type(description="Why a run or one of its steps failed.")
class RunFailure:
    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")
    message: str = strawberry.field(description="What went wrong, in a sentence for people.")
    retryable: bool = strawberry.field(description="Whether the same may succeed when it is tried again.")

    @classmethod
    def of(cls, row: Run | RunStep) -> Self | None:
        """The failure of what ``row`` stores; None when it did not fail."""
        if row.failure_code is None:
            return None
        return cls(
            code=ErrorCode(row.failure_code),
            message=row.failure_message or "",
            retryable=bool(row.failure_retryable),
        )

from typing import Literal, Optional, Union

from pydantic import Field

from .base_model import BaseModel
from .enums import ErrorCode


class StartRun(BaseModel):
    start_run: Union[
        "StartRunStartRunStartRunPayload",
        "StartRunStartRunValidationError",
        "StartRunStartRunForbiddenError",
        "StartRunStartRunNotFoundError",
        "StartRunStartRunConflictError",
        "StartRunStartRunBudgetExceededError",
        "StartRunStartRunRateLimitedError",
    ] = Field(alias="startRun", discriminator="typename__")


class StartRunStartRunStartRunPayload(BaseModel):
    typename__: Literal["StartRunPayload"] = Field(alias="__typename")
    run: "StartRunStartRunStartRunPayloadRun"


class StartRunStartRunStartRunPayloadRun(BaseModel):
    id: str


class StartRunStartRunValidationError(BaseModel):
    typename__: Literal["ValidationError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class StartRunStartRunForbiddenError(BaseModel):
    typename__: Literal["ForbiddenError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class StartRunStartRunNotFoundError(BaseModel):
    typename__: Literal["NotFoundError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class StartRunStartRunConflictError(BaseModel):
    typename__: Literal["ConflictError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class StartRunStartRunBudgetExceededError(BaseModel):
    typename__: Literal["BudgetExceededError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class StartRunStartRunRateLimitedError(BaseModel):
    typename__: Literal["RateLimitedError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]
    retry_after_ms: int = Field(alias="retryAfterMs")


StartRun.model_rebuild()
StartRunStartRunStartRunPayload.model_rebuild()

from typing import Literal, Optional, Union

from pydantic import Field

from .base_model import BaseModel
from .enums import ErrorCode
from .fragments import Session


class SignUp(BaseModel):
    sign_up: Union[
        "SignUpSignUpSessionPayload",
        "SignUpSignUpValidationError",
        "SignUpSignUpConflictError",
        "SignUpSignUpRateLimitedError",
    ] = Field(alias="signUp", discriminator="typename__")


class SignUpSignUpSessionPayload(Session):
    typename__: Literal["SessionPayload"] = Field(alias="__typename")


class SignUpSignUpValidationError(BaseModel):
    typename__: Literal["ValidationError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class SignUpSignUpConflictError(BaseModel):
    typename__: Literal["ConflictError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class SignUpSignUpRateLimitedError(BaseModel):
    typename__: Literal["RateLimitedError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


SignUp.model_rebuild()

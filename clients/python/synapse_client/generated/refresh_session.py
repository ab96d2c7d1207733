from typing import Literal, Optional, Union

from pydantic import Field

from .base_model import BaseModel
from .enums import ErrorCode
from .fragments import Session


class RefreshSession(BaseModel):
    refresh_session: Union[
        "RefreshSessionRefreshSessionSessionPayload",
        "RefreshSessionRefreshSessionUnauthenticatedError",
    ] = Field(alias="refreshSession", discriminator="typename__")


class RefreshSessionRefreshSessionSessionPayload(Session):
    typename__: Literal["SessionPayload"] = Field(alias="__typename")


class RefreshSessionRefreshSessionUnauthenticatedError(BaseModel):
    typename__: Literal["UnauthenticatedError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


RefreshSession.model_rebuild()

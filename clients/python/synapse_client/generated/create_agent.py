from typing import Literal, Optional, Union

from pydantic import Field

from .base_model import BaseModel
from .enums import ErrorCode


class CreateAgent(BaseModel):
    create_agent: Union[
        "CreateAgentCreateAgentCreateAgentPayload",
        "CreateAgentCreateAgentValidationError",
        "CreateAgentCreateAgentForbiddenError",
        "CreateAgentCreateAgentNotFoundError",
        "CreateAgentCreateAgentConflictError",
    ] = Field(alias="createAgent", discriminator="typename__")


class CreateAgentCreateAgentCreateAgentPayload(BaseModel):
    typename__: Literal["CreateAgentPayload"] = Field(alias="__typename")
    agent: "CreateAgentCreateAgentCreateAgentPayloadAgent"


class CreateAgentCreateAgentCreateAgentPayloadAgent(BaseModel):
    id: str
    name: str


class CreateAgentCreateAgentValidationError(BaseModel):
    typename__: Literal["ValidationError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class CreateAgentCreateAgentForbiddenError(BaseModel):
    typename__: Literal["ForbiddenError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class CreateAgentCreateAgentNotFoundError(BaseModel):
    typename__: Literal["NotFoundError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class CreateAgentCreateAgentConflictError(BaseModel):
    typename__: Literal["ConflictError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


CreateAgent.model_rebuild()
CreateAgentCreateAgentCreateAgentPayload.model_rebuild()

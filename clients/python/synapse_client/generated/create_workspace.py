from typing import Literal, Optional, Union

from pydantic import Field

from .base_model import BaseModel
from .enums import ErrorCode


class CreateWorkspace(BaseModel):
    create_workspace: Union[
        "CreateWorkspaceCreateWorkspaceCreateWorkspacePayload",
        "CreateWorkspaceCreateWorkspaceValidationError",
        "CreateWorkspaceCreateWorkspaceForbiddenError",
        "CreateWorkspaceCreateWorkspaceConflictError",
    ] = Field(alias="createWorkspace", discriminator="typename__")


class CreateWorkspaceCreateWorkspaceCreateWorkspacePayload(BaseModel):
    typename__: Literal["CreateWorkspacePayload"] = Field(alias="__typename")
    workspace: "CreateWorkspaceCreateWorkspaceCreateWorkspacePayloadWorkspace"


class CreateWorkspaceCreateWorkspaceCreateWorkspacePayloadWorkspace(BaseModel):
    id: str
    name: str


class CreateWorkspaceCreateWorkspaceValidationError(BaseModel):
    typename__: Literal["ValidationError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class CreateWorkspaceCreateWorkspaceForbiddenError(BaseModel):
    typename__: Literal["ForbiddenError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


class CreateWorkspaceCreateWorkspaceConflictError(BaseModel):
    typename__: Literal["ConflictError"] = Field(alias="__typename")
    code: ErrorCode
    message: str
    path: Optional[list[str]]


CreateWorkspace.model_rebuild()
CreateWorkspaceCreateWorkspaceCreateWorkspacePayload.model_rebuild()

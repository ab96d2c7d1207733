from datetime import datetime
from typing import Optional

from pydantic import Field

from .base_model import BaseModel
from .enums import RunStatus


class Runs(BaseModel):
    workspace: Optional["RunsWorkspace"]


class RunsWorkspace(BaseModel):
    runs: "RunsWorkspaceRuns"


class RunsWorkspaceRuns(BaseModel):
    nodes: list["RunsWorkspaceRunsNodes"]
    page_info: "RunsWorkspaceRunsPageInfo" = Field(alias="pageInfo")


class RunsWorkspaceRunsNodes(BaseModel):
    id: str
    status: RunStatus
    created_at: datetime = Field(alias="createdAt")


class RunsWorkspaceRunsPageInfo(BaseModel):
    has_next_page: bool = Field(alias="hasNextPage")
    end_cursor: Optional[str] = Field(alias="endCursor")


Runs.model_rebuild()
RunsWorkspace.model_rebuild()
RunsWorkspaceRuns.model_rebuild()

from typing import Literal, Optional, Union

from pydantic import Field, JsonValue

from .base_model import BaseModel
from .enums import ErrorCode, RunStatus


class RunEvents(BaseModel):
    run_events: Union[
        "RunEventsRunEventsRunEvent",
        "RunEventsRunEventsReasoningDelta",
        "RunEventsRunEventsRunFinished",
        "RunEventsRunEventsRunRewound",
        "RunEventsRunEventsTextDelta",
        "RunEventsRunEventsToolCalled",
    ] = Field(alias="runEvents", discriminator="typename__")


class RunEventsRunEventsRunEvent(BaseModel):
    typename__: Literal[
        "ApprovalRequested",
        "ApprovalResolved",
        "RunEvent",
        "RunStarted",
        "StepFinished",
        "StepStarted",
        "ToolReturned",
    ] = Field(alias="__typename")
    seq: int


class RunEventsRunEventsReasoningDelta(BaseModel):
    typename__: Literal["ReasoningDelta"] = Field(alias="__typename")
    seq: int
    first_seq: int = Field(alias="firstSeq")
    step_id: str = Field(alias="stepId")
    text: str


class RunEventsRunEventsRunFinished(BaseModel):
    typename__: Literal["RunFinished"] = Field(alias="__typename")
    seq: int
    text_sha_256: str = Field(alias="textSha256")
    run: "RunEventsRunEventsRunFinishedRun"


class RunEventsRunEventsRunFinishedRun(BaseModel):
    status: RunStatus
    failure: Optional["RunEventsRunEventsRunFinishedRunFailure"]


class RunEventsRunEventsRunFinishedRunFailure(BaseModel):
    code: ErrorCode
    message: str


class RunEventsRunEventsRunRewound(BaseModel):
    typename__: Literal["RunRewound"] = Field(alias="__typename")
    seq: int
    step_id: str = Field(alias="stepId")
    to_seq: int = Field(alias="toSeq")


class RunEventsRunEventsTextDelta(BaseModel):
    typename__: Literal["TextDelta"] = Field(alias="__typename")
    seq: int
    first_seq: int = Field(alias="firstSeq")
    step_id: str = Field(alias="stepId")
    text: str


class RunEventsRunEventsToolCalled(BaseModel):
    typename__: Literal["ToolCalled"] = Field(alias="__typename")
    seq: int
    name: str
    arguments: JsonValue


RunEvents.model_rebuild()
RunEventsRunEventsRunFinished.model_rebuild()
RunEventsRunEventsRunFinishedRun.model_rebuild()

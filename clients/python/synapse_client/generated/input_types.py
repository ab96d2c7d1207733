from typing import Optional

from pydantic import Field, JsonValue

from .base_model import BaseModel
from .enums import BusyPolicy


class AgentConfigInput(BaseModel):
    """All that a version of an agent consists of."""

    model: str
    "The model that answers, as in the catalogue."
    fallback_models: list[str] = Field(
        alias="fallbackModels", default_factory=lambda: []
    )
    "Tried in order when the model fails before its first token; at most 5."
    instructions: str = ""
    "What the model is told before the conversation; at most 100,000 characters."
    temperature: Optional[float] = None
    "0 to 2; null leaves it to the provider."
    max_output_tokens: Optional[int] = Field(alias="maxOutputTokens", default=None)
    "The longest answer, 1 to 1,000,000; null leaves it to the provider."
    max_steps: int = Field(alias="maxSteps", default=20)
    "The most model calls that one run may make: 1 to 100."
    tools: list["AgentToolInput"] = Field(default_factory=lambda: [])
    "What the agent may use."
    output_schema: Optional[JsonValue] = Field(alias="outputSchema", default=None)
    "JSON Schema (2020-12) that the final answer must satisfy; null for plain text."
    memory_bank_id: Optional[str] = Field(alias="memoryBankId", default=None)
    "What the agent is to remember in, and to recall from."


class AgentToolInput(BaseModel):
    """A tool to give to an agent."""

    name: str
    "The tool's name."
    requires_approval: bool = Field(alias="requiresApproval", default=False)
    "Whether a person is to decide on each call."


class CreateAgentInput(BaseModel):
    """An agent to make."""

    workspace_id: str = Field(alias="workspaceId")
    "Where to make it."
    name: str
    "At most 200 characters."
    config: "AgentConfigInput"
    "Its first version, live at once."
    description: Optional[str] = None
    "What it is for; at most 2,000 characters."
    idempotency_key: Optional[str] = Field(alias="idempotencyKey", default=None)
    "Sending the same again within 24 hours makes nothing new."


class CreateWorkspaceInput(BaseModel):
    """A workspace to make."""

    name: str
    "At most 200 characters."
    slug: Optional[str] = None
    "3 to 63 of a-z, 0-9 and -, unique; made from the name by default."
    idempotency_key: Optional[str] = Field(alias="idempotencyKey", default=None)
    "Sending the same again within 24 hours makes nothing new."


class RefreshSessionInput(BaseModel):
    """A session to go on with."""

    refresh_token: str = Field(alias="refreshToken")
    "The newest of the session; each works once."


class SignUpInput(BaseModel):
    """A new account, with a workspace of its own."""

    email: str
    "To sign in with; no two accounts share one."
    password: str
    "10 to 1,000 characters."
    name: str
    "What people call the user; at most 200 characters."
    workspace_name: str = Field(alias="workspaceName")
    "What to call the workspace; at most 200 characters."


class StartRunInput(BaseModel):
    """Without threadId a new thread is made. The same idempotencyKey gives the same run back, with replayed true."""

    agent_id: str = Field(alias="agentId")
    "The agent to run."
    message: str
    "What to say to it: 1 byte to 256 KB."
    agent_version_id: Optional[str] = Field(alias="agentVersionId", default=None)
    "Runs a version that is not live."
    thread_id: Optional[str] = Field(alias="threadId", default=None)
    "The conversation to go on with."
    if_busy: BusyPolicy = Field(alias="ifBusy", default=BusyPolicy.QUEUE)
    "What to do when the thread has a run that is not over."
    metadata: Optional[JsonValue] = None
    "Kept with the run; at most 64 KB."
    idempotency_key: Optional[str] = Field(alias="idempotencyKey", default=None)
    "Sending the same again within 24 hours makes nothing new."


AgentConfigInput.model_rebuild()
CreateAgentInput.model_rebuild()

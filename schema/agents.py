"""Agents, their versions, and how they are made and changed."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from core.ids import IdPrefix
from core.inputs import UNSET, Unset
from models.agents import Agent as AgentRow
from models.agents import AgentVersion as AgentVersionRow
from models.runs import Run as RunRow
from resolvers import agents
from schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from schema.fields import Input, field, mutation
from schema.info import Info
from schema.lookahead import columns_for
from schema.nodes import Node
from schema.pages import After, Connection, First
from schema.run_filters import Filter, selection_of
from schema.scalars import JSON
from services.agent_configs import AgentTool as ToolChoice

if TYPE_CHECKING:
    from schema.runs import Run


@strawberry.type(description="A tool that an agent may use.")
class AgentTool:
    name: str = strawberry.field(description="The tool's name.")
    requires_approval: bool = strawberry.field(description="Whether a person decides on each call.")


@strawberry.type(description="A configuration of an agent. Immutable: changing an agent makes a new version.")
class AgentVersion(
    Node, prefix=IdPrefix.AGENT_VERSION, table=AgentVersionRow, made={"tools": lambda row: list[AgentTool]()}
):
    number: int = strawberry.field(description="1, 2, 3 ... within the agent.")
    model: str = strawberry.field(description="The model that answers, as in the catalogue.")
    fallback_models: list[str] = strawberry.field(
        description="Tried in order when the model fails before its first token."
    )
    instructions: str = strawberry.field(description="What the model is told before the conversation.")
    temperature: float | None = strawberry.field(description="0 to 2; null leaves it to the provider.")
    max_output_tokens: int | None = strawberry.field(description="The longest answer; null leaves it to the provider.")
    max_steps: int = strawberry.field(description="The most model calls that one run may make.")
    tools: list[AgentTool] = strawberry.field(description="What the agent may use.")
    output_schema: JSON | None = strawberry.field(
        description="JSON Schema that the final answer must satisfy; null for plain text."
    )
    created_at: datetime = strawberry.field(description="When it was made.")


@strawberry.type(description="Something that answers: a model with instructions, under a name.")
class Agent(Node, prefix=IdPrefix.AGENT, table=AgentRow):
    name: str = strawberry.field(description="What people call it.")
    description: str | None = strawberry.field(description="What it is for.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    archived_at: datetime | None = strawberry.field(
        description="When it was taken out of use; null while it is in use."
    )
    row: strawberry.Private[AgentRow]

    @field("The version that new runs take.")
    async def live_version(self, info: Info) -> AgentVersion:
        return AgentVersion.of(await info.context.get(AgentVersionRow, self.row.live_version_id))

    @field("All versions, newest first.")
    async def versions(self, info: Info, first: First = 20, after: After = None) -> Connection[AgentVersion]:
        page = await agents.versions(info.context, self.key, first=first, after=after)
        return Connection.of(page, AgentVersion)

    @field("The agent's runs, newest first.")
    async def runs(
        self, info: Info, first: First = 20, after: After = None, filter: Filter = None
    ) -> Connection[Annotated["Run", strawberry.lazy("schema.runs")]]:
        kind, selection = Node.by_table[RunRow], selection_of(filter)
        columns = columns_for(info, kind)
        page = await agents.runs(info.context, self.key, selection, first=first, after=after, columns=columns)
        return Connection.of(page, kind)


@strawberry.input(description="A tool to give to an agent.")
class AgentToolInput:
    name: str = strawberry.field(description="The tool's name.")
    requires_approval: bool = strawberry.field(default=False, description="Whether a person is to decide on each call.")


@strawberry.input(description="All that a version of an agent consists of.")
class AgentConfigInput:
    model: str = strawberry.field(description="The model that answers, as in the catalogue.")
    fallback_models: list[str] = strawberry.field(
        default_factory=list, description="Tried in order when the model fails before its first token; at most 5."
    )
    instructions: str = strawberry.field(
        default="", description="What the model is told before the conversation; at most 100,000 characters."
    )
    temperature: float | None = strawberry.field(default=None, description="0 to 2; null leaves it to the provider.")
    max_output_tokens: int | None = strawberry.field(
        default=None, description="The longest answer, 1 to 1,000,000; null leaves it to the provider."
    )
    max_steps: int = strawberry.field(default=20, description="The most model calls that one run may make: 1 to 100.")
    tools: list[AgentToolInput] = strawberry.field(default_factory=list, description="What the agent may use.")
    output_schema: JSON | None = strawberry.field(
        default=None, description="JSON Schema (2020-12) that the final answer must satisfy; null for plain text."
    )
    memory_bank_id: strawberry.ID | None = strawberry.field(
        default=None, description="What the agent is to remember in, and to recall from."
    )

    def config(self) -> agents.Config:
        return agents.Config(
            model=self.model,
            fallback_models=self.fallback_models,
            instructions=self.instructions,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            max_steps=self.max_steps,
            tools=[ToolChoice(tool.name, tool.requires_approval) for tool in self.tools],
            output_schema=self.output_schema,
            memory_bank_id=self.memory_bank_id,
        )


@strawberry.input(description="An agent to make.")
class CreateAgentInput:
    workspace_id: strawberry.ID = strawberry.field(description="Where to make it.")
    name: str = strawberry.field(description="At most 200 characters.")
    config: AgentConfigInput = strawberry.field(description="Its first version, live at once.")
    description: str | None = strawberry.field(default=None, description="What it is for; at most 2,000 characters.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Sending the same again within 24 hours makes nothing new."
    )


@strawberry.type(description="The agent was made.")
class CreateAgentPayload:
    agent: Agent = strawberry.field(description="The new agent.")


CreateAgentResult = Annotated[
    CreateAgentPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("CreateAgentResult", description="What came of createAgent."),
]


@strawberry.input(
    description="Makes a new version out of the whole of config and, unless publish is false, sets it live. "
    "What is left out stays."
)
class UpdateAgentInput:
    agent_id: strawberry.ID = strawberry.field(description="The agent.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="A new name.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is for; null takes the description away."
    )
    config: AgentConfigInput | None = strawberry.field(default=None, description="The new version, all of it.")
    publish: bool = strawberry.field(default=True, description="Whether the new version goes live.")


@strawberry.type(description="The agent was changed.")
class UpdateAgentPayload:
    agent: Agent = strawberry.field(description="The agent as it is now.")
    version: AgentVersion | None = strawberry.field(description="The new version; null when config was left out.")


UpdateAgentResult = Annotated[
    UpdateAgentPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("UpdateAgentResult", description="What came of updateAgent."),
]


@strawberry.input(description="Sets any version live, to roll forward or back.")
class PublishAgentVersionInput:
    agent_version_id: strawberry.ID = strawberry.field(description="The version.")


@strawberry.type(description="The version is live.")
class PublishAgentVersionPayload:
    agent: Agent = strawberry.field(description="The version's agent.")


PublishAgentVersionResult = Annotated[
    PublishAgentVersionPayload | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("PublishAgentVersionResult", description="What came of publishAgentVersion."),
]


@strawberry.input(description="Takes an agent out of use: it can be read, but neither run nor changed.")
class ArchiveAgentInput:
    agent_id: strawberry.ID = strawberry.field(description="The agent.")


@strawberry.type(description="The agent is archived.")
class ArchiveAgentPayload:
    agent: Agent = strawberry.field(description="The agent.")


ArchiveAgentResult = Annotated[
    ArchiveAgentPayload | ForbiddenError | NotFoundError,
    strawberry.union("ArchiveAgentResult", description="What came of archiveAgent."),
]


@strawberry.type
class AgentQuery:
    @field("An agent in one of the viewer's workspaces, archived or not.")
    async def agent(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The agent's id.")]
    ) -> Agent | None:
        return await Agent.find_by_id(info, id)


@strawberry.type
class AgentMutation:
    @mutation("Make an agent. Needs the role EDITOR.")
    async def create_agent(self, info: Info, input: Input[CreateAgentInput]) -> CreateAgentResult:
        row = await agents.create_agent(
            info.context,
            workspace_id=input.workspace_id,
            name=input.name,
            description=input.description,
            config=input.config.config(),
            idempotency_key=input.idempotency_key,
        )
        return CreateAgentPayload(agent=Agent.of(row))

    @mutation("Change an agent. Needs the role EDITOR.")
    async def update_agent(self, info: Info, input: Input[UpdateAgentInput]) -> UpdateAgentResult:
        row, version = await agents.update_agent(
            info.context,
            input.agent_id,
            name=_given(input.name),
            description=_given(input.description),
            config=input.config.config() if input.config else None,
            publish=input.publish,
        )
        return UpdateAgentPayload(agent=Agent.of(row), version=AgentVersion.of(version) if version else None)

    @mutation("Set a version of an agent live. Needs the role EDITOR.")
    async def publish_agent_version(
        self, info: Info, input: Input[PublishAgentVersionInput]
    ) -> PublishAgentVersionResult:
        row = await agents.publish_version(info.context, input.agent_version_id)
        return PublishAgentVersionPayload(agent=Agent.of(row))

    @mutation("Take an agent out of use. Needs the role EDITOR.")
    async def archive_agent(self, info: Info, input: Input[ArchiveAgentInput]) -> ArchiveAgentResult:
        return ArchiveAgentPayload(agent=Agent.of(await agents.archive_agent(info.context, input.agent_id)))


def _given(value: Any) -> str | Unset | None:
    return UNSET if value is strawberry.UNSET else value

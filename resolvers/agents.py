"""Agents and their versions."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import ValidationFailed
from core.ids import IdPrefix, decode
from core.inputs import Unset
from models.agents import Agent, AgentVersion
from models.runs import Run
from resolvers.context import Context
from resolvers.pages import Listing, Page, page
from resolvers.runs import RunSelection, page_of_runs
from services import agents
from services.agent_configs import AgentConfig, AgentTool
from services.agents import AgentChanges, NewAgent

VERSIONS = Listing(AgentVersion, "agent_id")
AGENTS_IN_USE = Listing(Agent, "workspace_id", where=(("archived_at__isnull", True),))


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration, as a client sends it."""

    model: str
    fallback_models: list[str]
    instructions: str
    temperature: float | None
    max_output_tokens: int | None
    max_steps: int
    tools: list[AgentTool]
    output_schema: Any
    memory_bank_id: str | None

    def parsed(self) -> AgentConfig:
        path = ("input", "config", "memoryBankId")
        bank_id = self.memory_bank_id
        return AgentConfig(
            model=self.model,
            fallback_models=tuple(self.fallback_models),
            instructions=self.instructions,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            max_steps=self.max_steps,
            tools=tuple(self.tools),
            output_schema=self.output_schema,
            memory_bank_id=None if bank_id is None else decode(IdPrefix.MEMORY_BANK, bank_id, path),
        )


async def create_agent(
    context: Context,
    *,
    workspace_id: str,
    name: str,
    description: str | None,
    config: Config,
    idempotency_key: str | None,
) -> Agent:
    """Make an agent; see `services.agents.create`."""
    principal = context.require_principal()
    new = NewAgent(
        workspace_id=decode(IdPrefix.WORKSPACE, workspace_id, ("input", "workspaceId")),
        name=name,
        description=description,
        config=config.parsed(),
        idempotency_key=idempotency_key,
    )
    return await agents.create(principal, context.runtime.providers, new)


async def update_agent(
    context: Context,
    agent_id: str,
    *,
    name: str | Unset | None,
    description: str | Unset | None,
    config: Config | None,
    publish: bool,
) -> tuple[Agent, AgentVersion | None]:
    """Change an agent; see `services.agents.update`."""
    principal = context.require_principal()
    if name is None:
        raise ValidationFailed("An agent has a name; leave it out to keep it.", ("input", "name"))
    changes = AgentChanges(
        name=None if isinstance(name, Unset) else name,
        description=description,
        config=config.parsed() if config else None,
        publish=publish,
    )
    key = decode(IdPrefix.AGENT, agent_id, ("input", "agentId"))
    return await agents.update(principal, context.runtime.providers, key, changes)


async def publish_version(context: Context, agent_version_id: str) -> Agent:
    """Set a version live."""
    principal = context.require_principal()
    key = decode(IdPrefix.AGENT_VERSION, agent_version_id, ("input", "agentVersionId"))
    return await agents.publish_version(principal, key)


async def archive_agent(context: Context, agent_id: str) -> Agent:
    """Take an agent out of use."""
    return await agents.archive(context.require_principal(), decode(IdPrefix.AGENT, agent_id, ("input", "agentId")))


async def versions(context: Context, agent_id: UUID, *, first: int | None, after: str | None) -> Page[AgentVersion]:
    """The versions of an agent, newest first."""
    return await page(context, VERSIONS, agent_id, first=first, after=after)


async def runs(
    context: Context,
    agent_id: UUID,
    selection: RunSelection,
    *,
    first: int | None,
    after: str | None,
    columns: frozenset[str] | None,
) -> Page[Run]:
    """The runs of an agent, newest first."""
    return await page_of_runs(context, "agent_id", agent_id, selection, first=first, after=after, columns=columns)


async def of_workspace(context: Context, workspace_id: UUID, *, first: int | None, after: str | None) -> Page[Agent]:
    """The agents of a workspace that are not archived, newest first."""
    return await page(context, AGENTS_IN_USE, workspace_id, first=first, after=after)

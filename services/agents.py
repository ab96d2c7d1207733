"""Making, changing, publishing and archiving agents."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.auth import Principal
from core.errors import Conflict, NotFound
from core.ids import IdPrefix, encode, new_id
from core.inputs import UNSET, Path, Unset, require_text
from core.permissions import Permission
from models.agents import Agent, AgentVersion
from models.database import Connection, fetch, transaction
from providers.registry import Providers
from services import idempotency
from services.agent_configs import AgentConfig, require_config
from services.audit import Action, record

MAX_NAME_CHARS = 200
MAX_DESCRIPTION_CHARS = 2_000

_AGENT_PATH: Path = ("input", "agentId")
_VERSION_PATH: Path = ("input", "agentVersionId")
_NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 AS number FROM agent_versions WHERE agent_id = $1"


@dataclass(frozen=True, slots=True)
class NewAgent:
    """An agent to be made in a workspace."""

    workspace_id: UUID
    name: str
    config: AgentConfig
    description: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class AgentChanges:
    """What is to change about an agent; what is left out stays. ``publish``: whether a new ``config`` goes live."""

    name: str | None = None
    description: str | Unset | None = UNSET
    config: AgentConfig | None = None
    publish: bool = True


async def create(principal: Principal, providers: Providers, new: NewAgent) -> Agent:
    """Make an agent, whose version 1 is live at once; or give back the one that the same idempotency key made before.

    Raises:
        NotFound: no such workspace for the caller, or no such memory bank.
        Forbidden: the caller's role there is below EDITOR.
        ValidationFailed: a value can't be one.
        IdempotencyConflict: the key was used for another request.
    """
    principal.require(new.workspace_id, Permission.CONFIGURE, ("input", "workspaceId"))
    name, description = _require_name(new.name), _require_description(new.description)
    require_config(new.config, providers)
    agent_id = new_id()
    async with transaction(principal.workspace_ids) as connection:
        earlier_id = await idempotency.claim(
            connection,
            scope_id=new.workspace_id,
            key=new.idempotency_key,
            request={"mutation": "createAgent", "name": name, "description": description, "config": new.config},
            result_id=agent_id,
        )
        if earlier_id is not None:
            return await Agent.get(id=earlier_id)
        agent = Agent(
            id=agent_id,
            workspace_id=new.workspace_id,
            name=name,
            description=description,
            live_version_id=new_id(),
        )
        await agent.save(force_create=True)
        await _insert_version(agent, new.config, number=1, version_id=agent.live_version_id)
        await _record(connection, principal, Action.AGENT_CREATED, agent, before=None)
        return agent


async def update(
    principal: Principal, providers: Providers, agent_id: UUID, changes: AgentChanges
) -> tuple[Agent, AgentVersion | None]:
    """Change an agent; the agent as it is now, and the version that was made of a new configuration.

    Raises:
        NotFound: no such agent for the caller, or no such memory bank.
        Forbidden: the caller's role is below EDITOR.
        ValidationFailed: a value can't be one.
        Conflict: the agent is archived.
    """
    columns = _changed_columns(changes)
    if changes.config is not None:
        require_config(changes.config, providers)
    async with transaction(principal.workspace_ids) as connection:
        agent = await _lock_unarchived(principal, agent_id, _AGENT_PATH)
        before = _audited(agent)
        columns = {name: value for name, value in columns.items() if getattr(agent, name) != value}
        version = await _add_version(connection, agent, changes.config) if changes.config is not None else None
        if version is not None and changes.publish:
            columns["live_version_id"] = version.id
        if version is not None or columns:
            await _save(agent, columns)
            await _record(connection, principal, Action.AGENT_UPDATED, agent, before=before, new_version=version)
    return agent, version


async def publish_version(principal: Principal, agent_version_id: UUID) -> Agent:
    """Make a version the live one, whether it is newer or older than the one that is.

    Raises:
        NotFound: no such version for the caller. Forbidden: the caller's role is below EDITOR.
        Conflict: the agent is archived.
    """
    async with transaction(principal.workspace_ids) as connection:
        version = await AgentVersion.get_or_none(id=agent_version_id)
        if version is None:
            raise NotFound("There is no agent version with this id.", _VERSION_PATH)
        agent = await _lock_unarchived(principal, version.agent_id, _VERSION_PATH)
        if agent.live_version_id != version.id:
            before = _audited(agent)
            await _save(agent, {"live_version_id": version.id})
            await _record(connection, principal, Action.AGENT_PUBLISHED, agent, before=before)
    return agent


async def archive(principal: Principal, agent_id: UUID) -> Agent:
    """Take an agent out of use: it can be read, but neither run nor changed. Archiving it again changes nothing.

    Raises:
        NotFound: no such agent for the caller. Forbidden: the caller's role is below EDITOR.
    """
    async with transaction(principal.workspace_ids) as connection:
        agent = await _lock(principal, agent_id, _AGENT_PATH)
        if agent.archived_at is None:
            before = _audited(agent)
            await _save(agent, {"archived_at": datetime.now(UTC)})
            await _record(connection, principal, Action.AGENT_ARCHIVED, agent, before=before)
    return agent


def _changed_columns(changes: AgentChanges) -> dict[str, object]:
    columns: dict[str, object] = {}
    if changes.name is not None:
        columns["name"] = _require_name(changes.name)
    if not isinstance(changes.description, Unset):
        columns["description"] = _require_description(changes.description)
    return columns


def _require_name(name: str) -> str:
    return require_text(name, ("input", "name"), max_chars=MAX_NAME_CHARS, what="The agent's name")


def _require_description(description: str | None) -> str | None:
    if description is None:
        return None
    return require_text(
        description,
        ("input", "description"),
        max_chars=MAX_DESCRIPTION_CHARS,
        what="The description",
        allow_empty=True,
    )


async def _lock(principal: Principal, agent_id: UUID, path: Path) -> Agent:
    """The agent, which nobody else changes before the transaction ends; runs of it can be started all the same."""
    agent = await Agent.select_for_update(no_key=True).get_or_none(id=agent_id)
    if agent is None:
        raise NotFound("There is no agent with this id.", path)
    principal.require(agent.workspace_id, Permission.CONFIGURE, path)
    return agent


async def _lock_unarchived(principal: Principal, agent_id: UUID, path: Path) -> Agent:
    agent = await _lock(principal, agent_id, path)
    if agent.archived_at is not None:
        raise Conflict("The agent is archived, and no longer changes.", path)
    return agent


async def _save(agent: Agent, columns: dict[str, object]) -> None:
    agent.update_from_dict(columns)
    await agent.save(update_fields=[*columns, "updated_at"])


def _audited(agent: Agent) -> dict[str, Any]:
    """What the audit record says of an agent. What its versions hold never changes, so their ids are enough."""
    return {
        "name": agent.name,
        "description": agent.description,
        "liveVersionId": encode(IdPrefix.AGENT_VERSION, agent.live_version_id),
        "archivedAt": agent.archived_at.isoformat() if agent.archived_at else None,
    }


async def _record(
    connection: Connection,
    principal: Principal,
    action: Action,
    agent: Agent,
    *,
    before: dict[str, Any] | None,
    new_version: AgentVersion | None = None,
) -> None:
    after = _audited(agent)
    if new_version is not None:
        after["newVersionId"] = encode(IdPrefix.AGENT_VERSION, new_version.id)
    target = (IdPrefix.AGENT, agent.id)
    await record(connection, principal.user_id, agent.workspace_id, action, target, before=before, after=after)


async def _add_version(connection: Connection, agent: Agent, config: AgentConfig) -> AgentVersion:
    """The agent's next version. The lock on the agent keeps the numbers dense."""
    [row] = await fetch(connection, _NEXT_NUMBER, agent.id)
    return await _insert_version(agent, config, row["number"], new_id())


async def _insert_version(agent: Agent, config: AgentConfig, number: int, version_id: UUID) -> AgentVersion:
    return await AgentVersion.create(
        id=version_id,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        number=number,
        model=config.model,
        fallback_models=list(config.fallback_models),
        instructions=config.instructions,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        max_steps=config.max_steps,
        output_schema=config.output_schema,
    )

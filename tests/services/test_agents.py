"""Agents and their versions: who may make and change them, what can't be stored, and what happens all at once."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from core.errors import Conflict, Forbidden, IdempotencyConflict, NotFound, SynapseError, ValidationFailed
from core.ids import new_id
from core.permissions import Role
from core.principals import Principal
from core.settings import Settings
from models.agents import Agent, AgentVersion
from models.database import transaction
from providers.registry import Providers
from services import agents
from services.agent_configs import AgentConfig, AgentTool
from services.agents import AgentChanges, NewAgent
from tests.services.tenants import make_member, make_workspace

pytestmark = pytest.mark.usefixtures("pool")

MODEL = "scripted/echo"
CONFIG = AgentConfig(MODEL, instructions="Be brief.")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(scope="module")
async def providers() -> AsyncIterator[Providers]:
    settings = Settings(
        database_url="postgresql://unused",
        secret_keys=SecretStr("unused"),
        scripted_provider=True,
        openai_compatible_base_url="http://127.0.0.1:9/v1",
    )
    registry = Providers(settings)
    yield registry
    await registry.aclose()


@pytest.fixture
async def editor() -> Principal:
    return await make_member(await make_workspace())


def workspace_of(principal: Principal) -> UUID:
    return principal.workspace_ids[0]


def new_agent(principal: Principal, config: AgentConfig = CONFIG, **fields: Any) -> NewAgent:
    return replace(NewAgent(workspace_of(principal), "Ada", config), **fields)


async def stored(principal: Principal, agent_id: UUID) -> tuple[Agent, list[AgentVersion]]:
    """The agent and its versions, oldest first, as the database has them."""
    async with transaction(principal.workspace_ids):
        return await Agent.get(id=agent_id), await AgentVersion.filter(agent_id=agent_id).order_by("number")


async def count_agents(principal: Principal) -> int:
    async with transaction(principal.workspace_ids):
        return await Agent.all().count()


async def test_a_new_agent_has_version_1_and_it_is_live(editor: Principal, providers: Providers) -> None:
    config = AgentConfig(
        model=MODEL,
        fallback_models=("openai_compatible/b", "openai_compatible/a"),
        instructions="  Keep the white space.\n",
        temperature=0.5,
        max_output_tokens=1_000_000,
        max_steps=100,
        output_schema=SCHEMA,
    )
    made = await agents.create(editor, providers, new_agent(editor, config, name=" Ada ", description="Poet."))

    agent, [version] = await stored(editor, made.id)
    assert (agent.name, agent.description, agent.archived_at) == ("Ada", "Poet.", None)
    assert (agent.workspace_id, agent.live_version_id) == (workspace_of(editor), version.id)
    assert (version.number, version.model, version.fallback_models) == (1, MODEL, list(config.fallback_models))
    assert (version.instructions, version.output_schema) == (config.instructions, SCHEMA)
    assert (version.temperature, version.max_output_tokens, version.max_steps) == (0.5, 1_000_000, 100)


async def test_a_new_configuration_is_a_new_version_and_the_old_one_stays(
    editor: Principal, providers: Providers
) -> None:
    made = await agents.create(editor, providers, new_agent(editor, replace(CONFIG, temperature=1.5)))
    changes = AgentChanges(config=AgentConfig("openai_compatible/x"))

    agent, version = await agents.update(editor, providers, made.id, changes)

    kept, [first, second] = await stored(editor, made.id)
    assert version is not None
    assert agent.live_version_id == kept.live_version_id == version.id == second.id
    assert (first.number, first.model, first.instructions, first.temperature) == (1, MODEL, "Be brief.", 1.5)
    # The whole of the configuration is new: nothing of the old one shines through.
    assert (second.number, second.model, second.instructions, second.temperature) == (
        2,
        "openai_compatible/x",
        "",
        None,
    )
    assert kept.updated_at > made.updated_at


async def test_an_unpublished_version_waits_until_it_is_published(editor: Principal, providers: Providers) -> None:
    made = await agents.create(editor, providers, new_agent(editor))

    agent, version = await agents.update(editor, providers, made.id, AgentChanges(config=CONFIG, publish=False))
    assert version is not None
    assert (version.number, agent.live_version_id) == (2, made.live_version_id)

    assert (await agents.publish_version(editor, version.id)).live_version_id == version.id
    # And back again.
    assert (await agents.publish_version(editor, made.live_version_id)).live_version_id == made.live_version_id
    kept, versions = await stored(editor, made.id)
    assert (kept.live_version_id, len(versions)) == (made.live_version_id, 2)


async def test_what_is_left_out_of_an_update_stays_and_null_clears_the_description(
    editor: Principal, providers: Providers
) -> None:
    made = await agents.create(editor, providers, new_agent(editor, description="Poet."))

    renamed, version = await agents.update(editor, providers, made.id, AgentChanges(name="Grace"))
    assert (renamed.name, renamed.description, version) == ("Grace", "Poet.", None)
    cleared, _ = await agents.update(editor, providers, made.id, AgentChanges(description=None))
    assert (cleared.name, cleared.description) == ("Grace", None)
    untouched, _ = await agents.update(editor, providers, made.id, AgentChanges())
    assert (untouched.name, untouched.updated_at) == ("Grace", cleared.updated_at)

    kept, versions = await stored(editor, made.id)
    assert (kept.name, kept.description, len(versions)) == ("Grace", None, 1)


async def test_fifty_updates_at_once_give_dense_version_numbers(editor: Principal, providers: Providers) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    changes = [AgentChanges(config=replace(CONFIG, instructions=f"Do {index}.")) for index in range(50)]

    results = await asyncio.gather(*(agents.update(editor, providers, made.id, change) for change in changes))

    agent, versions = await stored(editor, made.id)
    assert [version.number for version in versions] == list(range(1, 52))
    assert {version.instructions for version in versions[1:]} == {f"Do {index}." for index in range(50)}
    assert agent.live_version_id == versions[-1].id
    for change, (_, version) in zip(changes, results, strict=True):
        assert version is not None
        assert change.config is not None
        assert version.instructions == change.config.instructions


async def test_an_update_does_not_undo_what_another_changes_meanwhile(editor: Principal, providers: Providers) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    await asyncio.gather(
        *(agents.update(editor, providers, made.id, AgentChanges(config=CONFIG)) for _ in range(5)),
        agents.update(editor, providers, made.id, AgentChanges(name="Grace")),
        agents.update(editor, providers, made.id, AgentChanges(description="Admiral.")),
    )
    agent, versions = await stored(editor, made.id)
    assert (agent.name, agent.description, agent.live_version_id) == ("Grace", "Admiral.", versions[-1].id)


async def test_an_agent_can_be_changed_while_a_row_that_refers_to_it_is_written(
    editor: Principal, providers: Providers
) -> None:
    """Starting a run must never wait for a change of its agent, nor the change for the run."""
    made = await agents.create(editor, providers, new_agent(editor))
    async with transaction(editor.workspace_ids):
        await AgentVersion.create(
            workspace_id=workspace_of(editor), agent_id=made.id, number=99, model=MODEL, max_steps=1
        )
        # An empty context, as the task would share this transaction's connection otherwise.
        change = agents.update(editor, providers, made.id, AgentChanges(name="Grace"))
        async with asyncio.timeout(5):
            await asyncio.create_task(change, context=Context())
    assert (await stored(editor, made.id))[0].name == "Grace"


async def test_an_archived_agent_no_longer_changes(editor: Principal, providers: Providers) -> None:
    made = await agents.create(editor, providers, new_agent(editor))

    archived = await agents.archive(editor, made.id)
    assert archived.archived_at is not None
    assert (await agents.archive(editor, made.id)).archived_at == archived.archived_at

    for changes in (AgentChanges(), AgentChanges(name="Grace"), AgentChanges(config=CONFIG)):
        with pytest.raises(Conflict) as refused:
            await agents.update(editor, providers, made.id, changes)
        assert refused.value.path == ("input", "agentId")
    with pytest.raises(Conflict) as refused:
        await agents.publish_version(editor, made.live_version_id)
    assert refused.value.path == ("input", "agentVersionId")
    agent, versions = await stored(editor, made.id)
    assert (agent.name, agent.updated_at, len(versions)) == ("Ada", archived.updated_at, 1)


async def test_a_viewer_may_change_nothing(editor: Principal, providers: Providers) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    viewer = await make_member(workspace_of(editor), Role.VIEWER)
    for attempt in (
        agents.create(viewer, providers, new_agent(viewer)),
        agents.update(viewer, providers, made.id, AgentChanges(config=CONFIG)),
        agents.publish_version(viewer, made.live_version_id),
        agents.archive(viewer, made.id),
    ):
        with pytest.raises(Forbidden):
            await attempt
    agent, versions = await stored(editor, made.id)
    assert (agent.archived_at, len(versions), await count_agents(editor)) == (None, 1, 1)


@pytest.mark.parametrize("exists", [True, False])
async def test_another_tenants_agents_are_not_there(editor: Principal, providers: Providers, exists: bool) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    stranger = await make_member(await make_workspace(), Role.OWNER)
    agent_id, version_id = (made.id, made.live_version_id) if exists else (new_id(), new_id())
    workspace_id = workspace_of(editor) if exists else new_id()
    for attempt, path in (
        (agents.create(stranger, providers, new_agent(stranger, workspace_id=workspace_id)), "workspaceId"),
        (agents.update(stranger, providers, agent_id, AgentChanges(config=CONFIG)), "agentId"),
        (agents.publish_version(stranger, version_id), "agentVersionId"),
        (agents.archive(stranger, agent_id), "agentId"),
    ):
        with pytest.raises(NotFound) as refused:
            await attempt
        assert refused.value.path == ("input", path)
    agent, versions = await stored(editor, made.id)
    assert (agent.archived_at, len(versions), await count_agents(editor)) == (None, 1, 1)


async def test_an_idempotency_key_makes_one_agent(editor: Principal, providers: Providers) -> None:
    key = "create-ada"
    same = new_agent(editor, replace(CONFIG, output_schema=SCHEMA), idempotency_key=key)

    made = await asyncio.gather(*(agents.create(editor, providers, same) for _ in range(5)))
    assert len({agent.id for agent in made}) == 1
    with pytest.raises(IdempotencyConflict):
        await agents.create(editor, providers, replace(same, config=CONFIG))
    assert await count_agents(editor) == 1

    neighbour = await make_member(await make_workspace())
    other = await agents.create(neighbour, providers, replace(same, workspace_id=workspace_of(neighbour)))
    assert other.id != made[0].id


BAD_CONFIGS: list[tuple[AgentConfig, str]] = [
    (AgentConfig("nobody/nothing"), "model"),
    (AgentConfig(""), "model"),
    (AgentConfig(" " + MODEL), "model"),
    (AgentConfig(MODEL + "\x00"), "model"),
    (AgentConfig("openai_compatible/" + "x" * 190), "model"),
    (AgentConfig(MODEL, fallback_models=("openai_compatible/a", "gpt")), "fallbackModels.1"),
    (AgentConfig(MODEL, fallback_models=("openai_compatible/a", MODEL)), "fallbackModels.1"),
    (AgentConfig(MODEL, fallback_models=("openai_compatible/a", "openai_compatible/a")), "fallbackModels.1"),
    (AgentConfig(MODEL, fallback_models=tuple(f"openai_compatible/{n}" for n in range(6))), "fallbackModels"),
    (replace(CONFIG, instructions="a\x00b"), "instructions"),
    (replace(CONFIG, instructions="\ud800"), "instructions"),
    (replace(CONFIG, instructions="x" * 100_001), "instructions"),
    (replace(CONFIG, temperature=-0.01), "temperature"),
    (replace(CONFIG, temperature=2.01), "temperature"),
    (replace(CONFIG, temperature=math.nan), "temperature"),
    (replace(CONFIG, temperature=math.inf), "temperature"),
    (replace(CONFIG, max_output_tokens=0), "maxOutputTokens"),
    (replace(CONFIG, max_output_tokens=1_000_001), "maxOutputTokens"),
    (replace(CONFIG, max_steps=0), "maxSteps"),
    (replace(CONFIG, max_steps=101), "maxSteps"),
    (replace(CONFIG, tools=(AgentTool("search"),)), "tools.0.name"),
]


@pytest.mark.parametrize(("config", "place"), BAD_CONFIGS)
async def test_a_bad_configuration_is_refused_with_its_place_and_nothing_is_written(
    editor: Principal, providers: Providers, config: AgentConfig, place: str
) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    for attempt in (
        agents.create(editor, providers, new_agent(editor, config)),
        agents.update(editor, providers, made.id, AgentChanges(name="Grace", config=config)),
    ):
        with pytest.raises(ValidationFailed) as refused:
            await attempt
        assert refused.value.path == ("input", "config", *place.split("."))
    agent, versions = await stored(editor, made.id)
    assert (agent.name, len(versions), await count_agents(editor)) == ("Ada", 1, 1)


async def test_an_unknown_model_is_answered_with_those_that_there_are(editor: Principal, providers: Providers) -> None:
    with pytest.raises(ValidationFailed, match=MODEL):
        await agents.create(editor, providers, new_agent(editor, AgentConfig("gpt")))


async def test_there_is_no_memory_bank_yet(editor: Principal, providers: Providers) -> None:
    with pytest.raises(NotFound) as refused:
        await agents.create(editor, providers, new_agent(editor, replace(CONFIG, memory_bank_id=new_id())))
    assert refused.value.path == ("input", "config", "memoryBankId")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "  "}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "a\x00"}, "description"),
        ({"description": "x" * 2_001}, "description"),
    ],
)
async def test_a_bad_name_or_description_is_refused(
    editor: Principal, providers: Providers, fields: dict[str, Any], place: str
) -> None:
    made = await agents.create(editor, providers, new_agent(editor))
    for attempt in (
        agents.create(editor, providers, new_agent(editor, **fields)),
        agents.update(editor, providers, made.id, AgentChanges(config=CONFIG, **fields)),
    ):
        with pytest.raises(SynapseError) as refused:
            await attempt
        assert (type(refused.value), refused.value.path) == (ValidationFailed, ("input", place))
    assert len((await stored(editor, made.id))[1]) == await count_agents(editor) == 1


async def test_the_longest_values_fit(editor: Principal, providers: Providers) -> None:
    config = AgentConfig(
        model="openai_compatible/" + "x" * 182,
        instructions="é" * 100_000,
        temperature=2,
        max_output_tokens=1,
        max_steps=1,
    )
    made = await agents.create(editor, providers, new_agent(editor, config, name="é" * 200, description="é" * 2_000))
    _, [version] = await stored(editor, made.id)
    assert (version.model, version.instructions) == (config.model, config.instructions)

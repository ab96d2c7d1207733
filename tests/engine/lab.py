"""What it takes to have runs executed: agents on scripted models, an executor, and what became of a run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.events import FinishReason, LoggedEvent, ModelFinished, RunFinished, TextDelta, TokenUsage
from core.ids import new_id
from core.logs import configure_logs
from core.principals import Principal
from core.settings import Settings
from core.turns import Turns
from engine.executor import Executor
from models.agents import Agent, AgentVersion
from models.database import open_connection, transaction
from models.llm_calls import LlmCall
from models.run_steps import RunStep
from models.runs import Run
from models.threads import Message
from providers.catalogue import CatalogueEntry, ModelName, ProviderName
from providers.registry import Providers
from providers.scripted import Script, ScriptedProvider, ScriptStep
from services import runs
from services.doorbell import Doorbell
from services.runs import RunRequest
from streaming.bus import Bus
from streaming.event_log import EventLog
from streaming.follow import follow
from tests.servers.app import settings_for
from tests.services.tenants import make_member, make_workspace
from tests.streaming.runs import assert_dense, collect, said, sha256_of, stored

PATIENCE_S = 20.0
STOP = ModelFinished(FinishReason.STOP, TokenUsage(input_tokens=7, output_tokens=3))


def saying(*words: str, pause_s: float = 0.0, last: ModelFinished = STOP) -> list[ScriptStep]:
    """A script that says these words with a pause before each."""
    steps: list[ScriptStep] = []
    for word in words:
        steps += [pause_s, TextDelta(word)]
    return [*steps, last]


class ScriptedModels(Providers):
    """The providers of ``settings``, and ``scripts`` as models ``scripted/...``; ``listed`` is known of some."""

    def __init__(
        self, settings: Settings, scripts: Mapping[str, Script], listed: Sequence[CatalogueEntry] = ()
    ) -> None:
        super().__init__(settings)
        self._built_in[ProviderName.SCRIPTED] = ScriptedProvider(scripts)
        self._scripts = scripts
        self._of_tests = {entry.name: entry for entry in listed}

    def entry(self, model_name: str) -> CatalogueEntry | None:
        return self._of_tests.get(model_name) or super().entry(model_name)

    def require(self, model_name: str, path: tuple[str, ...] = ()) -> ModelName:
        name = ModelName.parse(model_name)
        if name is not None and name.provider is ProviderName.SCRIPTED and name.model in self._scripts:
            return name
        return super().require(model_name, path)


@asynccontextmanager
async def executing(
    url: str,
    bus: Bus,
    scripts: Mapping[str, Script],
    listed: Sequence[CatalogueEntry] = (),
    grace_s: float = 0.0,
    doorbell: Doorbell | None = None,
    **overrides: Any,
) -> AsyncIterator[Executor]:
    """An executor that takes runs within the block; ``overrides`` are settings."""
    settings = settings_for(url, scripted_provider=True, **overrides)
    configure_logs(settings.log_level, settings.log_format)
    providers = ScriptedModels(settings, scripts, listed)
    log = EventLog(bus, give_up_s=5.0)
    await log.start()
    executor = Executor(settings, providers, bus, log, doorbell or Doorbell(), Turns())
    await executor.start()
    try:
        yield executor
    finally:
        await executor.stop(grace_s)
        await log.aclose()
        await providers.aclose()


@dataclass(frozen=True)
class Lab:
    """Somebody who may start runs, and a bus to hear of them."""

    principal: Principal
    bus: Bus
    doorbell: Doorbell = field(default_factory=Doorbell)

    @property
    def workspace_id(self) -> UUID:
        return self.principal.workspace_ids[0]

    async def agent(self, model: str, **columns: Any) -> Agent:
        """An agent on ``model`` (as in ``scripted/echo``); ``columns`` are those of its version."""
        agent_id, version_id = new_id(), new_id()
        async with transaction([self.workspace_id]):
            agent = await Agent.create(
                id=agent_id, workspace_id=self.workspace_id, name="Ada", live_version_id=version_id
            )
            columns = {"max_steps": 10} | columns
            await AgentVersion.create(
                id=version_id, workspace_id=self.workspace_id, agent_id=agent_id, number=1, model=model, **columns
            )
        return agent

    async def start(self, agent: Agent, message: str = "Hello", **request: Any) -> Run:
        """Start a run; ``request`` as in `RunRequest`."""
        started = await runs.start(self.principal, self.bus, self.doorbell, RunRequest(agent.id, message, **request))
        return started.run

    async def run(self, run: Run) -> Run:
        """The run's row as it is now."""
        async with transaction([self.workspace_id]):
            return await Run.get(id=run.id)

    async def calls(self, run: Run) -> list[LlmCall]:
        """The run's calls so far, oldest first."""
        async with transaction([self.workspace_id]):
            return await LlmCall.filter(run_id=run.id).order_by("id")

    async def ending(self, run: Run) -> "Ending":
        """What became of a run, once it is over."""
        async with asyncio.timeout(PATIENCE_S):
            followed = await collect(follow(self.bus, run.id, run.workspace_id))
        events = await stored(run)
        async with transaction([self.workspace_id]):
            return Ending(
                run=await Run.get(id=run.id),
                events=events,
                followed=followed,
                steps=await RunStep.filter(run_id=run.id).order_by("position"),
                calls=await LlmCall.filter(run_id=run.id).order_by("id"),
                messages=await Message.filter(run_id=run.id).order_by("position"),
            )

    async def until(self, run: Run, holds: Callable[[list[LoggedEvent]], bool]) -> None:
        """Wait until the run's log is such that it ``holds``."""

        async def is_so() -> bool:
            return holds(await stored(run))

        await until(is_so)

    async def until_it_speaks(self, run: Run) -> None:
        await self.until(run, lambda events: any(isinstance(event.body, TextDelta) for event in events))


@dataclass(frozen=True)
class Ending:
    """A run that is over: its rows, its log, and what a follower got."""

    run: Run
    events: list[LoggedEvent]
    followed: list[LoggedEvent]
    steps: list[RunStep]
    calls: list[LlmCall]
    messages: list[Message]

    @property
    def types(self) -> list[str]:
        """The names of the events' types, adjacent deltas taken for one."""
        names = [type(event.body).__name__ for event in self.events]
        return [name for at, name in enumerate(names) if name != "TextDelta" or names[at - 1] != name]

    def check(self) -> "Ending":
        """What holds for every run that is over."""
        assert self.run.status.is_final
        assert self.run.finished_at is not None
        assert_dense(self.events)
        assert_dense(self.followed)
        finishes = [event for event in self.events if isinstance(event.body, RunFinished)]
        assert finishes == [self.events[-1]]
        last = self.events[-1].body
        assert isinstance(last, RunFinished)
        assert last.run["status"] == self.run.status
        assert last.text_sha256 == sha256_of(said(self.events)) == sha256_of(said(self.followed))
        assert all(step.finished_at is not None for step in self.steps)
        assert all(call.status != "RUNNING" for call in self.calls)
        return self


async def until(condition: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def make_lab(bus: Bus) -> Lab:
    return Lab(await make_member(await make_workspace()), bus)


async def execute_sql(url: str, sql: str, *values: object) -> list[dict[str, Any]]:
    """Run one statement past the application's role."""
    connection = await open_connection(url)
    try:
        return [dict(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()

"""One step of an agent: a model call, tried on the agent's model, if need be again, and then on its fallbacks."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from uuid import UUID

from cachetools import LRUCache

from core.envelopes import Envelopes
from core.errors import ProviderFailed, ValidationFailed
from core.events import LoggedEvent
from core.settings import Settings
from engine.attempts import Attempt
from engine.execution import CancelRequested, Execution
from engine.history import bytes_of_use, compose, load_history, opening
from engine.retries import RetryPolicy
from engine.steps import ModelTask, begin_step, find_step, rewind
from engine.tally import Tally
from models.agents import AgentVersion
from models.database import Reader, reading, transaction
from models.llm_calls import RunUsage, usage_of
from models.run_steps import RunStep
from models.runs import Run
from models.writes import Writes
from providers.port import ModelProvider, ModelRequest
from providers.registry import Providers
from services import provider_credentials
from services.claims import Claim
from services.run_endings import StepOutcome, end_step, lock_owned, send_owned
from streaming.bus import Bus
from streaming.log import publish, write_events

# Versions of agents that are kept at hand.
MOST_VERSIONS = 128


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A model call that is over. ``attempt``: the last one, whose end is not written yet; None where the step ended
    before, in another process. ``is_first``: nothing was tried before it.
    """

    task: ModelTask
    step: RunStep
    attempt: Attempt | None
    is_first: bool = False

    def end(self, writes: Writes, text: str, last_seq: int) -> list[LoggedEvent]:
        """Have the call closed, and have it written how its step ended, under the conditions of
        `services.run_endings.end_step`. ``text``: what the step said; ``last_seq``: the newest event's number.
        """
        attempt, step = self.attempt, self.step
        if attempt is None:
            return []
        step.name, finished = attempt.model, attempt.tally.finished
        attempt.close_call(writes)
        outcome = StepOutcome(attempt.status, text, finished.reason if finished else None, attempt.failure)
        return [end_step(writes, self.task.run, step, outcome, last_seq + 1)]

    async def usage(self, connection: Reader) -> RunUsage:
        """What the run has used, this call included: after `end`, and before that is sent."""
        call, run_id = self.attempt.call if self.attempt else None, self.task.run.id
        if self.is_first and call is not None:
            return RunUsage().plus(call)
        others = (await usage_of(connection, [run_id], leaving_out=call.id if call else None))[run_id]
        return others.plus(call) if call else others


Beginning: TypeAlias = tuple[ModelTask, RunStep, Attempt, LoggedEvent | None]
"""What a step has to go on, the step, its first attempt, and the event that tells of it, unless it ended before."""


@dataclass(frozen=True, slots=True)
class _Try:
    """What to try: a model, for the first time or once more, after a pause."""

    model: str
    retries: int = 0
    pause_s: float = 0.0


class ModelCaller:
    """Makes model calls for the runs of this process, and writes down all that they yield and cost."""

    def __init__(self, settings: Settings, providers: Providers, bus: Bus) -> None:
        self._providers = providers
        self._bus = bus
        self._envelopes = Envelopes.parse(settings.secret_keys.get_secret_value())
        self._retries = RetryPolicy.of(settings)
        self._timeout_s = settings.model_call_timeout_s
        # They never change.
        self._versions: LRUCache[UUID, AgentVersion] = LRUCache(MOST_VERSIONS)

    async def call(self, execution: Execution, position: int, begun: Beginning | None = None) -> ModelAnswer:
        """Make the call that is the run's step number ``position``, unless that step ended before. It is for the caller
        to write its end. ``begun``: how the step has begun, if it has in this process; see `prepare`.

        Raises:
            RunLost: another process owns the run now.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + self._timeout_s
        task, step, attempt = await self._begin(execution, position, begun)
        if step.finished_at is not None:
            return ModelAnswer(task, step, None)
        fallbacks = list(task.version.fallback_models)
        first = attempt
        await attempt.perform(execution, step, deadline)
        while (following := self._next_try(attempt, fallbacks, deadline - now())) is not None:
            attempt = await self._try(execution, task, step, attempt, following)
            await attempt.perform(execution, step, deadline)
        is_first = attempt is first and position == 1 and execution.claim.epoch == 1
        return ModelAnswer(task, step, attempt, is_first)

    def _next_try(self, failed: Attempt, fallbacks: list[str], left_s: float) -> _Try | None:
        """What to do after ``failed``; None when that is how it ends. What is taken of ``fallbacks`` is gone."""
        if failed.error is not None:
            pause_s = self._retries.pause_s(failed.error, failed.retries, left_s)
            if pause_s is not None:
                return _Try(failed.model, failed.retries + 1, pause_s)
        if failed.leaves_room_for_another_model and fallbacks and left_s > 0:
            return _Try(fallbacks.pop(0))
        return None

    async def prepare(
        self, execution: Execution, writes: Writes, credential: provider_credentials.Seen | None = None
    ) -> Beginning:
        """The first step of a run that nobody had before, with its call open, once ``writes`` are written.

        ``credential``: the one that it is called with, if somebody has seen that.
        """
        run, writer, reader = execution.claim.run, execution.writer, reading([execution.claim.workspace_id])
        await writer.open(reader)
        task = await self._load(reader, execution.claim, run, 1)
        attempt = await self._prepare(reader, task, _Try(task.version.model), credential)
        step, event = begin_step(writes, execution, task)
        write_events(writes, run.workspace_id, [event])
        attempt.open_call(writes, execution, run, step)
        return task, step, attempt, event

    async def _begin(
        self, execution: Execution, position: int, begun: Beginning | None
    ) -> tuple[ModelTask, RunStep, Attempt]:
        """The step with what it has to go on, and its first attempt: its call is open, unless the step ended before."""
        if begun is None and position == 1 and execution.claim.epoch == 1:
            begun = await self._begin_run(execution)
        task, step, attempt, event = begun or await self._begin_or_go_on(execution, position)
        if event is not None:
            await self._adopt(execution, event)
        attempt.clean_seq = execution.writer.last_seq
        execution.begun()
        return task, step, attempt

    async def _begin_run(self, execution: Execution) -> Beginning | None:
        """Begin the first step of a run that nobody had before, in one message to the database: a client waits for it.

        None where the run was cancelled, or lost, since it was claimed: nothing is written then.
        """
        run, writes = execution.claim.run, Writes()
        begun = await self.prepare(execution, writes)
        is_ours = await send_owned(writes, run, run.epoch, if_cancelled=False)
        return begun if is_ours else None

    async def _begin_or_go_on(self, execution: Execution, position: int) -> Beginning:
        """Begin any step of any run, however far that has come, in one transaction."""
        claim, writer = execution.claim, execution.writer
        async with transaction([claim.workspace_id]) as connection:
            run = await lock_owned(connection, claim.run_id, claim.epoch)
            await writer.open(connection)
            if run.cancel_requested_at is not None:
                execution.cancel()
            task = await self._load(connection, claim, run, position)
            attempt, writes = await self._prepare(connection, task, _Try(task.version.model)), Writes()
            step, event = await find_step(connection, writes, execution, task)
            if event is not None:
                write_events(writes, run.workspace_id, [event])
                attempt.open_call(writes, execution, run, step)
                await writes.send(connection)
        return task, step, attempt, event

    async def _load(self, connection: Reader, claim: Claim, run: Run, position: int) -> ModelTask:
        version = self._versions.get(run.agent_version_id)
        if version is None:
            [version] = await AgentVersion.read(connection, "WHERE id = $1", run.agent_version_id)
            self._versions[version.id] = version
        if claim.opens_thread:
            return ModelTask(run, version, opening(run), position)
        # As much of the thread as the models can make use of.
        entries = [self._providers.entry(model) for model in (version.model, *version.fallback_models)]
        most_bytes = bytes_of_use(entry.context_window if entry else None for entry in entries)
        return ModelTask(run, version, await load_history(connection, run, most_bytes), position)

    async def _prepare(
        self, connection: Reader, task: ModelTask, following: _Try, seen: provider_credentials.Seen | None = None
    ) -> Attempt:
        model, version = following.model, task.version
        entry = self._providers.entry(model)
        messages = compose(version, task.history, entry.context_window if entry else None)
        try:
            provider, name = await self._resolve(connection, task.run.workspace_id, model, seen)
            unavailable = None
        except (ValidationFailed, ProviderFailed) as error:
            provider, name = None, ""
            unavailable = ProviderFailed(error.message, retryable=False)
        request = ModelRequest(
            model=name,
            messages=messages,
            temperature=version.temperature,
            max_output_tokens=version.max_output_tokens,
            output_schema=version.output_schema,
        )
        attempt = Attempt(model, entry, provider, request, Tally(messages), following.retries)
        if unavailable is not None:
            attempt.fail(unavailable)
        return attempt

    async def _resolve(
        self, connection: Reader, workspace_id: UUID, model: str, seen: provider_credentials.Seen | None
    ) -> tuple[ModelProvider, str]:
        """The model's provider, with the workspace's credential where it needs one, and its name there."""
        key, credential = self._providers.credential_key(model), None
        if key is not None:
            credential = await provider_credentials.load(connection, self._envelopes, workspace_id, key, seen)
        return self._providers.resolve(model, credential)

    async def _try(
        self, execution: Execution, task: ModelTask, step: RunStep, failed: Attempt, following: _Try
    ) -> Attempt:
        """Begin the next attempt when its time has come. Cancelling ends the wait, and then no call is made."""
        async with transaction([task.run.workspace_id]) as connection:
            await lock_owned(connection, task.run.id, execution.claim.epoch)
            writes = Writes()
            failed.close_call(writes)
            await writes.send(connection)
        with suppress(CancelRequested):
            await execution.interruptible(partial(asyncio.sleep, following.pause_s))
        return await self._open(execution, task, step, failed.clean_seq, following)

    async def _open(
        self, execution: Execution, task: ModelTask, step: RunStep, clean_seq: int, following: _Try
    ) -> Attempt:
        """Open the next attempt's call, and withdraw what the step said after ``clean_seq``: not earlier, for it may
        be all there is.
        """
        writer, run, event = execution.writer, task.run, None
        await writer.flush()
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(connection, run.id, execution.claim.epoch)
            attempt = await self._prepare(connection, task, following)
            writes = Writes()
            attempt.open_call(writes, execution, run, step)
            if attempt.call is not None:
                if writer.last_seq > clean_seq:
                    event = await rewind(connection, writes, execution, step)
                    write_events(writes, run.workspace_id, [event])
                await writes.send(connection)
        if event is not None:
            await self._adopt(execution, event)
        attempt.clean_seq = clean_seq if event is None else writer.last_seq
        return attempt

    async def _adopt(self, execution: Execution, event: LoggedEvent) -> None:
        execution.writer.adopt(event)
        await publish(self._bus, [event])

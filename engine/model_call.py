"""One step of an agent: a model call, tried on the agent's model, if need be again, and then on its fallbacks."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from core.envelopes import Envelopes
from core.errors import ErrorCode, ProviderFailed, ValidationFailed
from core.events import LoggedEvent, RunRewound, StepStarted
from core.settings import Settings
from engine.attempts import Attempt
from engine.execution import CancelRequested, Execution
from engine.history import bytes_of_use, compose, load_history
from engine.retries import RetryPolicy
from engine.tally import Tally
from models import snapshots
from models.agents import AgentVersion
from models.database import Connection, transaction
from models.llm_calls import LlmCallStatus
from models.run_steps import RunStep, StepKind
from models.runs import Run
from providers.port import ChatMessage, ModelProvider, ModelRequest
from providers.registry import Providers
from services import provider_credentials
from services.run_endings import Failure, StepOutcome, end_abandoned_calls, end_step, lock_owned
from streaming.bus import Bus
from streaming.log import insert_events, publish, step_started_seq

_WORKER_STOPPED = Failure(ErrorCode.INTERNAL, "The worker stopped in the middle of the call.", retryable=True)


@dataclass(frozen=True, slots=True)
class ModelTask:
    """What one model call has to go on."""

    run: Run
    version: AgentVersion
    history: list[ChatMessage]
    position: int


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

    async def load_history(self, connection: Connection, run: Run, version: AgentVersion) -> list[ChatMessage]:
        """As much of the run's thread as the models of ``version`` can make use of."""
        entries = [self._providers.entry(model) for model in _models(version)]
        most_bytes = bytes_of_use(entry.context_window if entry else None for entry in entries)
        return await load_history(connection, run, most_bytes)

    async def call(self, execution: Execution, task: ModelTask) -> RunStep:
        """Make the call, and return its step as it ended; at once when it ended before, in another process.

        Raises:
            RunLost: another process owns the run now.
        """
        now = asyncio.get_running_loop().time
        deadline, fallbacks = now() + self._timeout_s, list(task.version.fallback_models)
        attempt = await self._prepare(task, _Try(task.version.model))
        step = await self._begin(execution, task, attempt)
        if step.finished_at is not None:
            return step
        await attempt.perform(execution, step, deadline)
        while (following := self._next_try(attempt, fallbacks, deadline - now())) is not None:
            attempt = await self._try(execution, task, step, attempt, following)
            await attempt.perform(execution, step, deadline)
        await self._end(execution, task.run, step, attempt)
        return step

    def _next_try(self, failed: Attempt, fallbacks: list[str], left_s: float) -> _Try | None:
        """What to do after ``failed``; None when that is how it ends. What is taken of ``fallbacks`` is gone."""
        if failed.error is not None:
            pause_s = self._retries.pause_s(failed.error, failed.retries, left_s)
            if pause_s is not None:
                return _Try(failed.model, failed.retries + 1, pause_s)
        if failed.leaves_room_for_another_model and fallbacks and left_s > 0:
            return _Try(fallbacks.pop(0))
        return None

    async def _prepare(self, task: ModelTask, following: _Try) -> Attempt:
        model, version = following.model, task.version
        entry = self._providers.entry(model)
        messages = compose(version, task.history, entry.context_window if entry else None)
        try:
            provider, name = await self._resolve(task.run.workspace_id, model)
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

    async def _resolve(self, workspace_id: UUID, model: str) -> tuple[ModelProvider, str]:
        """The model's provider, with the workspace's credential where it needs one, and its name there."""
        key = self._providers.credential_key(model)
        credential = await provider_credentials.load(self._envelopes, workspace_id, key) if key is not None else None
        return self._providers.resolve(model, credential)

    async def _begin(self, execution: Execution, task: ModelTask, attempt: Attempt) -> RunStep:
        """The step, with its first attempt's call, unless it ended before."""
        writer, run = execution.writer, task.run
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            step = await RunStep.get_or_none(run_id=run.id, position=task.position)
            if step is None:
                step = await _create_step(task)
                event = writer.next_event(StepStarted(snapshots.of_step(step)), step.id)
            elif step.finished_at is None:
                # A process stopped in the middle of it. What its call spent is counted.
                said = writer.text.of_step(step.id)
                await end_abandoned_calls(step, LlmCallStatus.FAILED, said, _WORKER_STOPPED)
                event = await _rewind(connection, execution, step)
            else:
                return step
            await insert_events(connection, run.workspace_id, [event])
            await attempt.open_call(execution, run, step)
        await self._adopt(execution, event)
        attempt.clean_seq = writer.last_seq
        return step

    async def _try(
        self, execution: Execution, task: ModelTask, step: RunStep, failed: Attempt, following: _Try
    ) -> Attempt:
        """Begin the next attempt when its time has come. Cancelling ends the wait, and then no call is made."""
        async with transaction([task.run.workspace_id]):
            await lock_owned(task.run.id, execution.claim.epoch)
            await failed.close_call()
        with suppress(CancelRequested):
            await execution.interruptible(partial(asyncio.sleep, following.pause_s))
        attempt = await self._prepare(task, following)
        attempt.clean_seq = failed.clean_seq
        await self._open(execution, task.run, step, attempt)
        return attempt

    async def _open(self, execution: Execution, run: Run, step: RunStep, attempt: Attempt) -> None:
        """Open the attempt's call, and withdraw what the step said before: not earlier, for it may be all there is."""
        writer, event = execution.writer, None
        await writer.flush()
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            await attempt.open_call(execution, run, step)
            if attempt.call is not None and writer.last_seq > attempt.clean_seq:
                event = await _rewind(connection, execution, step)
                await insert_events(connection, run.workspace_id, [event])
        if event is not None:
            await self._adopt(execution, event)
            attempt.clean_seq = writer.last_seq

    async def _end(self, execution: Execution, run: Run, step: RunStep, attempt: Attempt) -> None:
        writer, finished = execution.writer, attempt.tally.finished
        await writer.flush()
        step.name = attempt.model
        outcome = StepOutcome(
            attempt.status, writer.text.of_step(step.id), finished.reason if finished else None, attempt.failure
        )
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            await attempt.close_call()
            event = await end_step(connection, run, step, outcome, writer.last_seq + 1)
        await self._adopt(execution, event)

    async def _adopt(self, execution: Execution, event: LoggedEvent) -> None:
        execution.writer.adopt(event)
        await publish(self._bus, [event])


def _models(version: AgentVersion) -> list[str]:
    return [version.model, *version.fallback_models]


async def _create_step(task: ModelTask) -> RunStep:
    return await RunStep.create(
        workspace_id=task.run.workspace_id,
        run_id=task.run.id,
        position=task.position,
        kind=StepKind.MODEL,
        name=task.version.model,
        input={"messages": len(task.history)},
        started_at=datetime.now(UTC),
    )


async def _rewind(connection: Connection, execution: Execution, step: RunStep) -> LoggedEvent:
    """Withdraw what the step has said so far: it begins again."""
    step.attempt += 1
    await step.save(update_fields=["attempt"])
    began = await step_started_seq(connection, step.run_id, step.id)
    return execution.writer.next_event(RunRewound(to_seq=began, attempt=step.attempt), step.id)

"""One step of an agent: a model call, tried on the agent's model and then on its fallbacks."""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from core.envelopes import Envelopes
from core.errors import ErrorCode, ProviderFailed, ToolFailed, ValidationFailed
from core.events import FinishReason, LoggedEvent, ModelFinished, RunRewound, StepStarted
from engine.execution import CancelRequested, Execution
from engine.history import bytes_of_use, compose, load_history
from engine.tally import Tally
from models import snapshots
from models.agents import AgentVersion
from models.database import Connection, transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run
from providers.catalogue import CatalogueEntry
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


@dataclass(slots=True)
class _Attempt:
    """One try at one model. ``status``: how it ended. Without ``provider`` there is no such model (any more)."""

    model: str
    entry: CatalogueEntry | None
    provider: ModelProvider | None
    request: ModelRequest
    tally: Tally
    call: LlmCall | None = None
    status: StepStatus = StepStatus.RUNNING
    failure: Failure | None = None

    @property
    def leaves_room_for_another(self) -> bool:
        """Whether another model may be tried: nothing of this one's was shown yet."""
        return self.status is StepStatus.FAILED and not self.tally.begun_to_answer

    def fail(self, failure: Failure) -> None:
        self.status, self.failure = StepStatus.FAILED, failure


class ModelCaller:
    """Makes model calls for the runs of this process, and writes down all that they yield and cost."""

    def __init__(self, providers: Providers, envelopes: Envelopes, bus: Bus) -> None:
        self._providers = providers
        self._envelopes = envelopes
        self._bus = bus

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
        model, *fallbacks = _models(task.version)
        attempt = await self._prepare(task, model)
        step = await self._begin(execution, task, attempt)
        if step.finished_at is not None:
            return step
        await _perform(execution, step, attempt)
        for model in fallbacks:
            if not attempt.leaves_room_for_another:
                break
            failed, attempt = attempt, await self._prepare(task, model)
            async with transaction([task.run.workspace_id]):
                await lock_owned(task.run.id, execution.claim.epoch)
                await _close_call(failed)
                await _open_call(execution, task.run, step, attempt)
            await _perform(execution, step, attempt)
        await self._end(execution, task.run, step, attempt)
        return step

    async def _prepare(self, task: ModelTask, model: str) -> _Attempt:
        entry, version = self._providers.entry(model), task.version
        messages = compose(version, task.history, entry.context_window if entry else None)
        try:
            provider, name = await self._resolve(task.run.workspace_id, model)
            failure = None
        except (ValidationFailed, ProviderFailed) as error:
            provider, name = None, ""
            failure = Failure(ErrorCode.PROVIDER_FAILED, error.message, retryable=False)
        request = ModelRequest(
            model=name,
            messages=messages,
            temperature=version.temperature,
            max_output_tokens=version.max_output_tokens,
            output_schema=version.output_schema,
        )
        attempt = _Attempt(model, entry, provider, request, Tally(messages))
        if failure is not None:
            attempt.fail(failure)
        return attempt

    async def _resolve(self, workspace_id: UUID, model: str) -> tuple[ModelProvider, str]:
        """The model's provider, with the workspace's credential where it needs one, and its name there."""
        key = self._providers.credential_key(model)
        credential = await provider_credentials.load(self._envelopes, workspace_id, key) if key is not None else None
        return self._providers.resolve(model, credential)

    async def _begin(self, execution: Execution, task: ModelTask, attempt: _Attempt) -> RunStep:
        """The step, with its first attempt's call, unless it ended before."""
        writer, run = execution.writer, task.run
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            step = await RunStep.get_or_none(run_id=run.id, position=task.position)
            if step is None:
                step = await _create_step(task)
                event = writer.next_event(StepStarted(snapshots.of_step(step)), step.id)
            elif step.finished_at is None:
                event = await _rewind(connection, execution, step)
            else:
                return step
            await insert_events(connection, run.workspace_id, [event])
            await _open_call(execution, run, step, attempt)
        await self._adopt(execution, event)
        return step

    async def _end(self, execution: Execution, run: Run, step: RunStep, attempt: _Attempt) -> None:
        writer, finished = execution.writer, attempt.tally.finished
        await writer.flush()
        step.name = attempt.model
        outcome = StepOutcome(
            attempt.status, writer.text.of_step(step.id), finished.reason if finished else None, attempt.failure
        )
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            await _close_call(attempt)
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
    """Withdraw what the step said in a process that stopped in the middle of it, and count what that spent."""
    writer = execution.writer
    step.attempt += 1
    await step.save(update_fields=["attempt"])
    await end_abandoned_calls(step, LlmCallStatus.FAILED, writer.text.of_step(step.id), _WORKER_STOPPED)
    began = await step_started_seq(connection, step.run_id, step.id)
    return writer.next_event(RunRewound(to_seq=began, attempt=step.attempt), step.id)


async def _open_call(execution: Execution, run: Run, step: RunStep, attempt: _Attempt) -> None:
    if attempt.provider is None or execution.cancel_requested:
        return
    attempt.call = await LlmCall.create(
        workspace_id=run.workspace_id,
        run_id=run.id,
        step_id=step.id,
        agent_id=run.agent_id,
        provider=attempt.model.partition("/")[0].partition(":")[0],
        model=attempt.model,
        status=LlmCallStatus.RUNNING,
        # Should this process die, nobody else will know.
        input_tokens=attempt.tally.estimated_input_tokens(),
        started_at=attempt.tally.started_at,
    )


async def _close_call(attempt: _Attempt) -> None:
    if attempt.call is None:
        return
    tally, usage = attempt.tally, attempt.tally.usage
    columns = {
        "status": LlmCallStatus(attempt.status.value),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": attempt.entry.cost_usd(usage) if attempt.entry else Decimal(0),
        "started_at": tally.started_at,
        "time_to_first_token_ms": tally.time_to_first_token_ms,
        "duration_ms": tally.duration_ms,
        "failure_code": attempt.failure.code.value if attempt.failure else None,
        "failure_message": attempt.failure.message if attempt.failure else None,
        "provider_closed_at": tally.ended_at,
    }
    attempt.call.update_from_dict(columns)
    await attempt.call.save(update_fields=list(columns))


async def _perform(execution: Execution, step: RunStep, attempt: _Attempt) -> None:
    """Ask the provider, hand on its answer as it comes, and judge it."""
    provider, tally = attempt.provider, attempt.tally
    if provider is None:
        return

    async def read() -> None:
        tally.begin()
        try:
            async with aclosing(provider.stream(attempt.request)) as events:
                async for event in events:
                    tally.count(event)
                    if not isinstance(event, ModelFinished):
                        execution.writer.append(event, step.id)
                        await execution.writer.room()
        finally:
            tally.end()

    try:
        await execution.interruptible(read)
    except CancelRequested:
        attempt.status = StepStatus.CANCELLED
    except ProviderFailed as error:
        attempt.fail(Failure.of(error, retryable=error.retryable))
    else:
        _judge(attempt)


def _judge(attempt: _Attempt) -> None:
    """What a complete answer is worth."""
    attempt.status = StepStatus.SUCCEEDED
    if attempt.tally.tools_called:
        name = attempt.tally.tools_called[0].name
        error = ToolFailed(f"The model called the tool {name!r}, which the agent does not have.")
        attempt.fail(Failure.of(error, retryable=True))
    elif attempt.tally.finished is not None and attempt.tally.finished.reason is FinishReason.CONTENT_FILTER:
        message = "The provider's content filter stopped the answer."
        attempt.fail(Failure(ErrorCode.PROVIDER_FAILED, message, retryable=False))

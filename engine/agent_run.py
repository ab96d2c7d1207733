"""The body of an agent's run: what happens between its claim and its last event."""

from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema_rs import ValidationError

from core.errors import ErrorCode
from engine import durable
from engine.execution import Execution
from engine.history import load_history
from engine.model_call import ModelCaller, ModelTask
from models.agents import AgentVersion
from models.database import transaction
from models.run_steps import RunStep, StepStatus
from models.runs import Run, RunStatus
from models.threads import Message
from providers.port import ChatMessage
from services.output_schemas import compile_schema
from services.run_endings import Failure, Outcome, end, lock_owned
from streaming.bus import Bus
from streaming.log import publish


@dataclass(frozen=True, slots=True)
class _Job:
    run: Run
    version: AgentVersion
    history: list[ChatMessage]


async def run_agent(execution: Execution, caller: ModelCaller, bus: Bus) -> None:
    """Execute the run, and end it.

    Raises:
        RunLost: another process owns the run now, or ended it.
    """
    job = await _load(execution)
    if job.run.cancel_requested_at is not None:
        execution.cancel()
    task = ModelTask(job.run, job.version, job.history, position=1)

    async def call_model() -> str:
        step = await caller.call(execution, task)
        return step.status.value

    await durable.step("model-1", call_model)
    await finish(execution, bus, await _outcome(job))


async def _load(execution: Execution) -> _Job:
    claim = execution.claim
    async with transaction([claim.workspace_id]) as connection:
        run = await Run.get(id=claim.run_id)
        version = await AgentVersion.get(id=run.agent_version_id)
        return _Job(run, version, await load_history(connection, run))


async def _outcome(job: _Job) -> Outcome:
    async with transaction([job.run.workspace_id]):
        step = await RunStep.filter(run_id=job.run.id).order_by("-position").get()
        answer = await Message.filter(run_id=job.run.id).order_by("-position").first()
    if step.status is StepStatus.SUCCEEDED:
        text = answer.text if answer is not None and answer.position > 0 else ""
        return _answered(text, job.version.output_schema)
    if step.status is StepStatus.CANCELLED:
        return Outcome(RunStatus.CANCELLED)
    return Outcome(RunStatus.FAILED, failure=_failure_of(step))


def _failure_of(step: RunStep) -> Failure:
    code = ErrorCode(step.failure_code or ErrorCode.INTERNAL)
    return Failure(code, step.failure_message or "", bool(step.failure_retryable))


def _answered(text: str, output_schema: dict[str, Any] | None) -> Outcome:
    if output_schema is None:
        return Outcome(RunStatus.SUCCEEDED, output_text=text)
    try:
        output = orjson.loads(text)
        compile_schema(output_schema).validate(output)
    except (orjson.JSONDecodeError, ValidationError) as error:
        reason = error.message if isinstance(error, ValidationError) else "it is not JSON"
        message = f"The answer does not satisfy the agent's output schema: {reason[:200]}"
        return Outcome(RunStatus.FAILED, failure=Failure(ErrorCode.VALIDATION_FAILED, message, retryable=True))
    return Outcome(RunStatus.SUCCEEDED, output_text=text, output=output)


async def finish(execution: Execution, bus: Bus, outcome: Outcome) -> None:
    """End the run as ``outcome`` says, and let everybody who follows it know."""
    claim, writer = execution.claim, execution.writer
    await writer.flush()
    async with transaction([claim.workspace_id]) as connection:
        run = await lock_owned(claim.run_id, claim.epoch)
        event = await end(connection, run, outcome, writer.last_seq + 1, writer.text_sha256())
    await publish(bus, [event])

"""The body of an agent's run: what happens between its claim and its last event."""

from functools import partial
from typing import Any

import orjson
from jsonschema_rs import ValidationError

from core.errors import ErrorCode, ValidationFailed
from core.inputs import require_depth, require_storable
from engine import durable
from engine.execution import Execution
from engine.model_call import ModelCaller, ModelTask
from models.agents import AgentVersion
from models.database import transaction
from models.run_steps import RunStep, StepStatus
from models.runs import Run, RunStatus
from services.output_schemas import compile_schema
from services.run_endings import Failure, Outcome, end, lock_owned
from streaming.bus import Bus
from streaming.log import publish

MAX_REASON_CHARS = 200


async def run_agent(execution: Execution, caller: ModelCaller, bus: Bus) -> None:
    """Execute the run, and end it.

    Raises:
        RunLost: another process owns the run now, or ended it.
    """
    await durable.step("model-1", partial(_call_model, execution, caller))
    await _finish(execution, bus)


async def _call_model(execution: Execution, caller: ModelCaller) -> str:
    claim = execution.claim
    async with transaction([claim.workspace_id]) as connection:
        run = await Run.get(id=claim.run_id)
        version = await AgentVersion.get(id=run.agent_version_id)
        history = await caller.load_history(connection, run, version)
    if run.cancel_requested_at is not None:
        execution.cancel()
    step = await caller.call(execution, ModelTask(run, version, history, position=1))
    return step.status.value


async def _finish(execution: Execution, bus: Bus) -> None:
    """End the run as its last step ended, and let everybody who follows it know."""
    claim, writer = execution.claim, execution.writer
    await writer.flush()
    async with transaction([claim.workspace_id]) as connection:
        run = await lock_owned(claim.run_id, claim.epoch)
        [step] = await RunStep.filter(run_id=run.id).order_by("-position").limit(1)
        version = await AgentVersion.get(id=run.agent_version_id)
        outcome = _outcome(step, writer.text.of_step(step.id), version.output_schema)
        event = await end(connection, run, outcome, writer.last_seq + 1, writer.text_sha256())
    await publish(bus, [event])


def _outcome(step: RunStep, text: str, output_schema: dict[str, Any] | None) -> Outcome:
    """What the run came to by its last ``step``, in which the model said ``text``."""
    if step.status is StepStatus.SUCCEEDED:
        return _answered(text, output_schema)
    if step.status is StepStatus.CANCELLED:
        return Outcome(RunStatus.CANCELLED)
    code = ErrorCode(step.failure_code or ErrorCode.INTERNAL)
    return Outcome(
        RunStatus.FAILED, failure=Failure(code, step.failure_message or "", retryable=bool(step.failure_retryable))
    )


def _answered(text: str, output_schema: dict[str, Any] | None) -> Outcome:
    if output_schema is None:
        return Outcome(RunStatus.SUCCEEDED, output_text=text)
    try:
        output = orjson.loads(text)
        require_depth(output, (), what="It")
        require_storable(output, (), what="It")
        compile_schema(output_schema).validate(output)
    except orjson.JSONDecodeError:
        return _unsatisfying("It is no JSON.")
    except (ValidationFailed, ValidationError) as error:
        return _unsatisfying(error.message)
    return Outcome(RunStatus.SUCCEEDED, output_text=text, output=output)


def _unsatisfying(reason: str) -> Outcome:
    message = f"The answer does not satisfy the agent's output schema: {reason[:MAX_REASON_CHARS]}"
    return Outcome(RunStatus.FAILED, failure=Failure(ErrorCode.VALIDATION_FAILED, message, retryable=True))

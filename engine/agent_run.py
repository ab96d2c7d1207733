"""The body of an agent's run: what happens between its claim and its last event."""

from typing import Any

import orjson
from jsonschema_rs import ValidationError

from core.errors import ErrorCode, ValidationFailed
from core.inputs import require_depth, require_storable
from engine.execution import Execution
from engine.model_call import Beginning, ModelAnswer, ModelCaller
from models.database import reading
from models.run_steps import RunStep, StepStatus
from models.runs import RunStatus
from models.writes import Writes
from services.output_schemas import compile_schema
from services.run_endings import Failure, Outcome, end, run_lost, send_owned
from streaming.bus import Bus
from streaming.log import publish, write_events

MAX_REASON_CHARS = 200


async def run_agent(execution: Execution, caller: ModelCaller, bus: Bus, begun: Beginning | None = None) -> None:
    """Execute the run, and end it. ``begun``: how its first step has begun, if it has in this process.

    A model call's step keeps by itself what must not happen twice: when it ended, and with what, is written in the
    transaction of all that it came to. Whoever goes on with the run finds it there.

    Raises:
        RunLost: another process owns the run now, or ended it.
    """
    answer = await caller.call(execution, 1, begun)
    await _finish(execution, answer, bus)


async def _finish(execution: Execution, answer: ModelAnswer, bus: Bus) -> None:
    """End the run with its last step and as that ended, and let everybody who follows it know."""
    claim, writer = execution.claim, execution.writer
    await writer.flush()
    run, writes, text = answer.task.run, Writes(), writer.text.of_step(answer.step.id)
    events = answer.end(writes, text, writer.last_seq)
    outcome = _outcome(answer.step, text, answer.task.version.output_schema)
    last_seq = writer.last_seq + len(events) + 1
    usage = await answer.usage(reading([run.workspace_id]))
    events.append(end(writes, run, outcome, usage, last_seq, writer.text_sha256()))
    write_events(writes, run.workspace_id, events)
    if not await send_owned(writes, run, claim.epoch):
        raise run_lost()
    await publish(bus, events)


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

"""What happens in a run, as clients see it, and the subscription that tells of it."""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

import strawberry

from core import events
from core.events import LoggedEvent
from core.ids import IdPrefix, encode
from models import snapshots
from models.runs import Run as RunRow
from resolvers import runs
from resolvers.runs import DEFAULT_HZ
from schema.approvals import Approval
from schema.failures import RunFailure
from schema.fields import subscription
from schema.info import Info
from schema.runs import Run, RunStep
from schema.scalars import JSON

_STEP_ID = "The model call that it belongs to."
_FIRST_SEQ = "Sequence number of the first delta that was merged into this one; seq when there was one alone."


@strawberry.interface(
    description="One thing that happened in a run. seq counts 1, 2, 3 ... without a gap within the run. Adjacent "
    "deltas of one type and step may be merged on the way: seq (and at) is then the last one's, firstSeq the first "
    "one's. So each event's firstSeq, or its seq where it has none, is the seq before it plus 1."
)
class RunEvent:
    seq: int = strawberry.field(description="Its place among the run's events; pass it as `after` to go on from here.")
    at: datetime = strawberry.field(description="When it happened.")


@strawberry.type(description="Always the first event.")
class RunStarted(RunEvent):
    run: Run = strawberry.field(description="The run as it was then.")


@strawberry.type(description="A stretch of what the model says. Each model call is a message of its own.")
class TextDelta(RunEvent):
    first_seq: int = strawberry.field(description=_FIRST_SEQ)
    step_id: strawberry.ID = strawberry.field(description=_STEP_ID)
    text: str = strawberry.field(description="The text, to be appended to what the step said before.")


@strawberry.type(description="A stretch of the model's reasoning, where the provider shows it; no part of the answer.")
class ReasoningDelta(RunEvent):
    first_seq: int = strawberry.field(description=_FIRST_SEQ)
    step_id: strawberry.ID = strawberry.field(description=_STEP_ID)
    text: str = strawberry.field(description="The text, to be appended to what the step reasoned before.")


@strawberry.type(description="The model calls a tool. Sent when the arguments are complete.")
class ToolCalled(RunEvent):
    step_id: strawberry.ID = strawberry.field(description=_STEP_ID)
    call_id: str = strawberry.field(description="The model's own name for this call, repeated in ToolReturned.")
    name: str = strawberry.field(description="The tool.")
    arguments: JSON = strawberry.field(description="Its arguments.")


@strawberry.type(description="A tool is done. On failure the model is told, and goes on.")
class ToolReturned(RunEvent):
    call_id: str = strawberry.field(description="As in ToolCalled.")
    name: str = strawberry.field(description="The tool.")
    result: JSON | None = strawberry.field(description="What it returned.")
    failure: RunFailure | None = strawberry.field(
        description="The tool failed, or its approval was rejected or expired."
    )


@strawberry.type(description="A step began.")
class StepStarted(RunEvent):
    step: RunStep = strawberry.field(description="The step as it was then.")


@strawberry.type(description="A step ended.")
class StepFinished(RunEvent):
    step: RunStep = strawberry.field(description="The step as it was then.")


@strawberry.type(description="The run waits for a person.")
class ApprovalRequested(RunEvent):
    approval: Approval = strawberry.field(description="What is to be decided.")


@strawberry.type(description="The approval was given, refused or expired.")
class ApprovalResolved(RunEvent):
    approval: Approval = strawberry.field(description="What was decided.")


@strawberry.type(
    description="The worker or the provider failed mid-answer and the step began again: drop every delta and tool "
    "call with this stepId after toSeq, keep other steps'. toSeq is where the step first began, so no merged delta "
    "straddles it."
)
class RunRewound(RunEvent):
    step_id: strawberry.ID = strawberry.field(description="The step that began again.")
    to_seq: int = strawberry.field(description="What the step said up to here still stands.")
    attempt: int = strawberry.field(description="The step's new attempt.")


@strawberry.type(
    description="Always the last event, however the run ended. textSha256 is the SHA-256 (lower-case hex) of the "
    "UTF-8 of all TextDelta texts that stand after rewinds, joined in order of seq: of every model call, so it may "
    "cover more than outputText."
)
class RunFinished(RunEvent):
    run: Run = strawberry.field(description="The run as it ended.")
    text_sha256: str = strawberry.field(name="textSha256", description="Proves that no text is missing.")


EVENT_TYPES = (
    RunStarted,
    TextDelta,
    ReasoningDelta,
    ToolCalled,
    ToolReturned,
    StepStarted,
    StepFinished,
    ApprovalRequested,
    ApprovalResolved,
    RunRewound,
    RunFinished,
)


@strawberry.input(
    description="How to deliver deltas: merged, so that on average at most maxHz a second are sent; other events are "
    "sent at once, after all that came before them. Nothing is dropped or reordered."
)
class DeliveryInput:
    max_hz: int = strawberry.field(default=DEFAULT_HZ, description="1 to 120.")


def event_of(run: RunRow, event: LoggedEvent) -> RunEvent:
    """The event of ``run``, as clients see it."""
    place: dict[str, Any] = {"seq": event.seq, "at": event.at}
    match event.body:
        case events.TextDelta(text):
            return TextDelta(**place, first_seq=event.first_seq, step_id=_step_id(event), text=text)
        case events.ReasoningDelta(text):
            return ReasoningDelta(**place, first_seq=event.first_seq, step_id=_step_id(event), text=text)
        case events.ToolCalled(call_id, name, arguments):
            return ToolCalled(**place, step_id=_step_id(event), call_id=call_id, name=name, arguments=JSON(arguments))
        case events.StepStarted(step):
            return StepStarted(**place, step=RunStep.of(snapshots.restore_step(run, step)))
        case events.StepFinished(step):
            return StepFinished(**place, step=RunStep.of(snapshots.restore_step(run, step)))
        case events.RunRewound(to_seq, attempt):
            return RunRewound(**place, step_id=_step_id(event), to_seq=to_seq, attempt=attempt)
        case events.RunStarted(snapshot):
            return RunStarted(**place, run=_run_then(run, snapshot, event.seq))
        case events.RunFinished(snapshot, text_sha256):
            return RunFinished(**place, run=_run_then(run, snapshot, event.seq), text_sha256=text_sha256)


def _step_id(event: LoggedEvent) -> strawberry.ID:
    assert event.step_id is not None
    return _id_of_step(event.step_id)


@lru_cache(maxsize=4096)
def _id_of_step(step_id: UUID) -> strawberry.ID:
    """Each of a step's events has it."""
    return strawberry.ID(encode(IdPrefix.RUN_STEP, step_id))


def _run_then(run: RunRow, snapshot: dict[str, Any], seq: int) -> Run:
    row, usage = snapshots.restore_run(run, snapshot)
    return Run.then(row, usage, seq)


@strawberry.type
class RunEventSubscription:
    @subscription(
        "Everything that happens in a run after the sequence number given (any up to lastSeq), once, in order and "
        "without a gap, then live; completes after RunFinished, at once if that came before. Below 0 or past lastSeq "
        "is VALIDATION_FAILED."
    )
    async def run_events(
        self,
        info: Info,
        run_id: Annotated[strawberry.ID, strawberry.argument(description="The run.")],
        after: Annotated[int, strawberry.argument(description="The last sequence number that the client has.")] = 0,
        delivery: Annotated[
            DeliveryInput | None,
            strawberry.argument(description="How to deliver deltas; at most 30 a second by default."),
        ] = None,
    ) -> AsyncGenerator[RunEvent, None]:
        max_hz, context = delivery.max_hz if delivery else DEFAULT_HZ, info.context

        def show(run: RunRow, event: LoggedEvent) -> bool:
            return context.show is not None and context.show(event_of(run, event))

        async for run, event in runs.follow_run(context, run_id, after, max_hz, show):
            yield event_of(run, event)

"""One try at one model: asking it, handing on what it says, and the row that tells what came of it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.errors import ErrorCode, ProviderFailed, ProviderTimedOut, ToolFailed
from core.events import FinishReason, ModelEvent, TokenUsage, is_text
from engine.execution import CancelRequested, Execution
from engine.tally import Tally
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepStatus
from models.runs import Run
from models.writes import Writes
from providers.catalogue import CatalogueEntry
from providers.port import ModelProvider, ModelRequest
from services.run_endings import Failure


@dataclass(slots=True)
class Attempt:
    """One try. ``status``: how it ended. Without ``provider`` there is no such model (any more).

    ``retries``: how often the model was tried before, within the step. ``error``: the provider's, when it failed.
    ``clean_seq``: the number of the newest event before anything that the step said and that stands.
    """

    model: str
    entry: CatalogueEntry | None
    provider: ModelProvider | None
    request: ModelRequest
    tally: Tally
    retries: int = 0
    clean_seq: int = 0
    call: LlmCall | None = None
    status: StepStatus = StepStatus.RUNNING
    failure: Failure | None = None
    error: ProviderFailed | None = None

    @property
    def leaves_room_for_another_model(self) -> bool:
        """Whether another model may be tried: this one did not begin to answer."""
        return self.status is StepStatus.FAILED and not self.tally.begun_to_answer

    @property
    def usage(self) -> TokenUsage:
        """What it spent. A provider that was stopped while it thought has taken the question in."""
        asked = self.status is StepStatus.CANCELLED and self.tally.ended_at is not None
        return self.tally.counted(asked=asked)

    def fail(self, error: ProviderFailed) -> None:
        """It ended with ``error``."""
        message = error.message
        if error.retry_after_s:
            at = datetime.now(UTC) + timedelta(seconds=error.retry_after_s)
            message = f"{message} It asks not to be called again before {at:%Y-%m-%dT%H:%M:%SZ}."
        self._fail(Failure(error.code, message, error.retryable))
        self.error = error

    def open_call(self, writes: Writes, execution: Execution, run: Run, step: RunStep) -> None:
        """Have its row written, if it is going to be made."""
        if self.provider is None or execution.cancel_requested:
            return
        self.call = LlmCall(
            workspace_id=run.workspace_id,
            run_id=run.id,
            step_id=step.id,
            agent_id=run.agent_id,
            provider=self.model.partition("/")[0].partition(":")[0],
            model=self.model,
            status=LlmCallStatus.RUNNING,
            # Should this process die, nobody else will know.
            input_tokens=self.tally.estimated_input_tokens(),
            started_at=self.tally.started_at,
        )
        writes.insert(self.call)

    def close_call(self, writes: Writes) -> None:
        """Have its row completed, if there is one."""
        if self.call is None:
            return
        tally, usage = self.tally, self.usage
        columns = {
            "status": LlmCallStatus(self.status.value),
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cost_usd": self.entry.cost_usd(usage) if self.entry else Decimal(0),
            "started_at": tally.started_at,
            "time_to_first_token_ms": tally.time_to_first_token_ms,
            "duration_ms": tally.duration_ms,
            "failure_code": self.failure.code.value if self.failure else None,
            "failure_message": self.failure.message if self.failure else None,
            "provider_closed_at": tally.ended_at,
        }
        writes.update(self.call, columns)

    async def perform(self, execution: Execution, step: RunStep, deadline: float) -> None:
        """Ask the provider, hand on its answer as it comes, and judge it. ``deadline``: by the event loop's clock."""
        provider = self.provider
        if provider is None:
            return

        async def read() -> None:
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    await self._read(provider, execution, step)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise ProviderTimedOut("The model took too long to answer.", retryable=True) from None

        try:
            await execution.interruptible(read)
        except CancelRequested:
            self.status = StepStatus.CANCELLED
        except ProviderFailed as error:
            self.fail(error)
        else:
            self._judge()

    async def _read(self, provider: ModelProvider, execution: Execution, step: RunStep) -> None:
        writer = execution.writer

        def take(events: Sequence[ModelEvent]) -> bool:
            may_take = writer.has_room and all(map(is_text, events))
            if may_take:
                writer.extend(self.tally.count(events), step.id)
            return may_take

        self.tally.begin()
        try:
            async with aclosing(provider.stream(self.request, take)) as answer:
                async for events in answer:
                    writer.extend(self.tally.count(events), step.id)
                    await writer.room()
        finally:
            self.tally.end()

    def _judge(self) -> None:
        """What a complete answer is worth."""
        self.status = StepStatus.SUCCEEDED
        if self.tally.tools_called:
            name = self.tally.tools_called[0].name
            error = ToolFailed(f"The model called the tool {name!r}, which the agent does not have.")
            self._fail(Failure.of(error, retryable=True))
        elif self.tally.finished is not None and self.tally.finished.reason is FinishReason.CONTENT_FILTER:
            message = "The provider's content filter stopped the answer."
            self._fail(Failure(ErrorCode.PROVIDER_FAILED, message, retryable=False))

    def _fail(self, failure: Failure) -> None:
        self.status, self.failure = StepStatus.FAILED, failure

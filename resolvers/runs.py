"""Runs: who may start, see, follow and cancel them, and reading what hangs off them in batches."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.errors import NotFound, ValidationFailed
from core.events import LoggedEvent
from core.ids import IdPrefix, decode
from models.base import QuerySet
from models.database import fetch
from models.llm_calls import LlmCall, RunUsage, usage_of
from models.run_steps import RunStep
from models.runs import Run, RunStatus
from models.threads import Thread
from resolvers.context import Context
from resolvers.pages import NEWEST_FIRST, Order, Page, page
from services import run_endings, runs
from services.runs import BusyPolicy, RunRequest, StartedRun
from streaming.follow import follow

DEFAULT_HZ = 30
MAX_HZ = 120
IN_ORDER_OF_START = Order(("position",))

_LAST_SEQS = """
SELECT run.id, (SELECT coalesce(max(seq), 0) FROM run_events WHERE run_id = run.id) AS last
FROM unnest($1::uuid[]) AS run (id)
"""


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Which runs of a list are wanted; what is None does not matter."""

    statuses: Sequence[RunStatus] | None = None
    agent_id: str | None = None
    workflow_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def of(self, wanted: QuerySet[Run]) -> QuerySet[Run]:
        """Those of ``wanted`` that are selected."""
        if self.statuses is not None:
            wanted = wanted.filter(status__in=self.statuses)
        if self.agent_id is not None:
            wanted = wanted.filter(agent_id=_filter_id(IdPrefix.AGENT, self.agent_id, "agentId"))
        if self.workflow_id is not None:
            # No run belongs to a workflow yet, whichever it is.
            _filter_id(IdPrefix.WORKFLOW, self.workflow_id, "workflowId")
            wanted = wanted.filter(id__in=[])
        if self.created_after is not None:
            wanted = wanted.filter(created_at__gt=self.created_after)
        if self.created_before is not None:
            wanted = wanted.filter(created_at__lt=self.created_before)
        return wanted


@dataclass(frozen=True, slots=True)
class StartRun:
    """What a client asks for, with ids as it sends them."""

    agent_id: str
    message: str
    agent_version_id: str | None
    thread_id: str | None
    if_busy: BusyPolicy
    metadata: object
    idempotency_key: str | None


def _filter_id(prefix: IdPrefix, text: str, name: str) -> UUID:
    try:
        return decode(prefix, text)
    except NotFound:
        raise ValidationFailed(f"{name} is not such an id.", ("filter", name)) from None


def _optional_id(prefix: IdPrefix, text: str | None, name: str) -> UUID | None:
    return None if text is None else decode(prefix, text, ("input", name))


async def start_run(context: Context, wanted: StartRun) -> StartedRun:
    """Queue a run; see `services.runs.start`."""
    principal = context.require_principal()
    return await runs.start(
        principal,
        context.runtime.bus,
        RunRequest(
            agent_id=decode(IdPrefix.AGENT, wanted.agent_id, ("input", "agentId")),
            message=wanted.message,
            agent_version_id=_optional_id(IdPrefix.AGENT_VERSION, wanted.agent_version_id, "agentVersionId"),
            thread_id=_optional_id(IdPrefix.THREAD, wanted.thread_id, "threadId"),
            if_busy=wanted.if_busy,
            metadata=wanted.metadata,
            idempotency_key=wanted.idempotency_key,
        ),
    )


async def cancel_run(context: Context, run_id: str) -> tuple[Run, datetime | None]:
    """Cancel a run; with it, when the connection to its provider was closed, None when none was open."""
    principal = context.require_principal()
    run = await run_endings.cancel(principal, context.runtime.bus, decode(IdPrefix.RUN, run_id, ("input", "runId")))
    async with context.transaction():
        call = await LlmCall.filter(run_id=run.id, provider_closed_at__isnull=False).order_by("-id").first()
    return run, call.provider_closed_at if call else None


async def page_of_runs(
    context: Context, wanted: QuerySet[Run], selection: RunSelection, *, first: int | None, after: str | None
) -> Page[Run]:
    """Newest first."""
    return await page(context, selection.of(wanted), NEWEST_FIRST, first=first, after=after)


async def page_of_steps(context: Context, run: Run, *, first: int | None, after: str | None) -> Page[RunStep]:
    """The steps of a run, in the order in which they started."""
    steps = RunStep.filter(run_id=run.id)
    return await page(context, steps, IN_ORDER_OF_START, first=first, after=after, default=50)


async def usage_by_run(context: Context, run_ids: Sequence[UUID]) -> Mapping[UUID, RunUsage]:
    """What each of these runs has used."""
    async with context.transaction() as connection:
        return await usage_of(connection, run_ids)


async def last_seq_by_run(context: Context, run_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """The number of the newest event of each of these runs."""
    async with context.transaction() as connection:
        return {row["id"]: row["last"] for row in await fetch(connection, _LAST_SEQS, list(run_ids))}


async def follow_run(
    context: Context, run_id: str, after: int, max_hz: int
) -> AsyncGenerator[tuple[Run, LoggedEvent], None]:
    """The events of a run after number ``after``, each with the run's row; see `streaming.follow.follow`.

    Raises:
        NotFound: the caller sees no such run.
        ValidationFailed: ``after`` or ``max_hz`` is out of range.
    """
    if not 1 <= max_hz <= MAX_HZ:
        raise ValidationFailed(f"maxHz must be within 1 and {MAX_HZ}.", ("delivery", "maxHz"))
    key = decode(IdPrefix.RUN, run_id, ("runId",))
    context.require_principal()
    run = await context.find(Run, key)
    if run is None:
        raise NotFound("There is no run with this id.", ("runId",))
    async with aclosing(follow(context.runtime.bus, run.id, run.workspace_id, after, max_hz)) as events:
        async for event in events:
            yield run, event


async def thread_of(context: Context, run: Run) -> Thread:
    """The conversation that the run belongs to."""
    return await context.get(Thread, run.thread_id)

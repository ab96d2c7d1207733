"""Runs: who may start, see, follow and cancel them, and reading what hangs off them in batches."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import NotFound, ValidationFailed
from core.events import LoggedEvent
from core.ids import IdPrefix, decode
from models.database import fetch, seen_by
from models.llm_calls import LlmCall, LlmCallStatus, RunUsage, usage_of
from models.run_steps import RunStep
from models.runs import Run, RunStatus
from resolvers.context import Context
from resolvers.pages import Listing, Order, Page, page
from services import cancellations, runs
from services.runs import BusyPolicy, RunRequest, StartedRun
from streaming.follow import follow_found
from streaming.log import read_with_run

DEFAULT_HZ = 30
MAX_HZ = 120
STEPS = Listing(RunStep, "run_id", Order(("position",)), default=50)

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

    def filters(self) -> tuple[tuple[str, Any], ...]:
        """The same in the words of the ORM.

        Raises:
            ValidationFailed: an id can't be one.
        """
        filters: dict[str, Any] = {
            "status__in": None if self.statuses is None else tuple(self.statuses),
            "agent_id": _filter_id(IdPrefix.AGENT, self.agent_id, "agentId"),
            "created_at__gt": self.created_after,
            "created_at__lt": self.created_before,
        }
        if _filter_id(IdPrefix.WORKFLOW, self.workflow_id, "workflowId") is not None:
            # No run belongs to a workflow yet, whichever it is.
            filters["id__in"] = ()
        return tuple((name, value) for name, value in filters.items() if value is not None)


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


def _filter_id(prefix: IdPrefix, text: str | None, name: str) -> UUID | None:
    try:
        return None if text is None else decode(prefix, text)
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
        context.runtime.doorbell,
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
    run = await cancellations.cancel(principal, context.runtime.bus, decode(IdPrefix.RUN, run_id, ("input", "runId")))
    async with seen_by(principal):
        # Earlier calls closed their connections themselves.
        call = await LlmCall.filter(run_id=run.id, status=LlmCallStatus.CANCELLED).order_by("-id").first()
    return run, call.provider_closed_at if call else None


async def page_of_runs(
    context: Context,
    parent: str,
    parent_id: UUID,
    selection: RunSelection,
    *,
    first: int | None,
    after: str | None,
    columns: frozenset[str] | None,
) -> Page[Run]:
    """The runs whose column ``parent`` holds that id, newest first."""
    listing = Listing(Run, parent, where=selection.filters() + context.own_only())
    return await page(context, listing, parent_id, first=first, after=after, columns=columns)


async def page_of_steps(context: Context, run_id: UUID, *, first: int | None, after: str | None) -> Page[RunStep]:
    """The steps of a run, in the order in which they started."""
    return await page(context, STEPS, run_id, first=first, after=after)


async def usage_by_run(context: Context, run_ids: Sequence[UUID]) -> Mapping[UUID, RunUsage]:
    """What each of these runs has used."""
    async with context.transaction() as connection:
        return await usage_of(connection, run_ids)


async def last_seq_by_run(context: Context, run_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """The number of the newest event of each of these runs."""
    async with context.transaction() as connection:
        return {row["id"]: row["last"] for row in await fetch(connection, _LAST_SEQS, list(run_ids))}


async def follow_run(
    context: Context, run_id: str, after: int, max_hz: int, show: Callable[[Run, LoggedEvent], bool]
) -> AsyncGenerator[tuple[Run, LoggedEvent], None]:
    """The events of a run after number ``after``, each with the run's row; see `streaming.follow.follow_found`.

    Raises:
        NotFound: the caller sees no such run.
        ValidationFailed: ``after`` or ``max_hz`` is out of range.
    """
    context.require_principal()
    if not 1 <= max_hz <= MAX_HZ:
        raise ValidationFailed(f"maxHz must be within 1 and {MAX_HZ}.", ("delivery", "maxHz"))
    key, reader = decode(IdPrefix.RUN, run_id, ("runId",)), context.reader()
    run: Run | None = None

    async def look(after: int, limit: int) -> tuple[UUID, list[LoggedEvent]]:
        nonlocal run
        found = await read_with_run(reader, key, after, limit)
        if found is None:
            raise NotFound("There is no run with this id.", ("runId",))
        run, page = found
        await context.watch(run.workspace_id)
        return run.workspace_id, page

    def show_of_run(event: LoggedEvent) -> bool:
        return run is not None and show(run, event)

    async with aclosing(follow_found(context.runtime.bus, key, look, after, max_hz, show_of_run)) as events:
        async for event in events:
            assert run is not None
            yield run, event

"""Starting runs. What ends them is in `services.run_endings`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.errors import Conflict, NotFound, ValidationFailed
from core.events import LoggedEvent, RunStarted
from core.ids import new_id
from core.inputs import require_json, require_storable
from core.permissions import Permission
from core.principals import Principal
from models import snapshots
from models.database import Connection, fetch, reading, reading_as, seen_by
from models.llm_calls import RunUsage
from models.runs import ACTIVE_STATUSES, Run
from models.threads import Message, MessageRole, Thread
from models.writes import Writes
from services import idempotency
from services.cancellations import request_cancel
from services.doorbell import Doorbell
from services.provider_credentials import SEEING, SEEN, Seen
from streaming.bus import Bus
from streaming.log import publish, write_events

MAX_MESSAGE_BYTES = 256 * 1024
MAX_METADATA_BYTES = 64 * 1024
TITLE_CHARS = 80

# The version may be one of another agent, or of none.
_AGENT = f"""
SELECT a.workspace_id, a.id, a.archived_at, v.id AS version_id, {SEEN}
FROM agents a LEFT JOIN agent_versions v ON v.id = coalesce($2, a.live_version_id) AND v.agent_id = a.id {SEEING}
WHERE a.id = $1
"""


class BusyPolicy(StrEnum):
    """What to do when the thread has a run that is not over."""

    QUEUE = "QUEUE"
    REJECT = "REJECT"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is to do. Without ``thread_id`` it opens a new thread; without ``agent_version_id`` it takes the live
    version.
    """

    agent_id: UUID
    message: str
    agent_version_id: UUID | None = None
    thread_id: UUID | None = None
    if_busy: BusyPolicy = BusyPolicy.QUEUE
    metadata: Any = None
    idempotency_key: str | None = None

    @property
    def stands_alone(self) -> bool:
        """Whether it has nothing to do with what there is but its agent."""
        return self.thread_id is None and self.idempotency_key is None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """``replayed``: the idempotency key was used before, and ``run`` is the run that was started then."""

    run: Run
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Agent:
    """What is to run. ``version_id`` is None where the agent has no such version. ``credential``: what the version's
    model is called with.
    """

    workspace_id: UUID
    id: UUID
    archived_at: datetime | None
    version_id: UUID | None
    credential: Seen

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "_Agent":
        """The agent that `_AGENT` has found."""
        ids = found["workspace_id"], found["id"], found["archived_at"], found["version_id"]
        return cls(*ids, Seen.of(found["workspace_id"], found))

    def require_version(self) -> UUID:
        """The version to run; raises as `start`."""
        if self.archived_at is not None:
            raise Conflict("The agent is archived; start no more runs of it.", ("input", "agentId"))
        if self.version_id is None:
            raise NotFound("The agent has no version with this id.", ("input", "agentVersionId"))
        return self.version_id


async def start(principal: Principal, bus: Bus, doorbell: Doorbell, request: RunRequest) -> StartedRun:
    """Queue a run, durably; executors are told at once.

    Raises:
        ValidationFailed: the message is empty, too long or can't be stored; so for the metadata.
        NotFound: no such agent, version of it, or thread in its workspace.
        Forbidden: the caller may not run agents in the workspace.
        Conflict: the agent is archived, or the thread busy and ``if_busy`` REJECT.
        IdempotencyConflict: the key was used for another request.
    """
    _validate(request)
    found = await fetch(reading_as(principal), _AGENT, request.agent_id, request.agent_version_id)
    if not found:
        raise NotFound("There is no agent with this id.", ("input", "agentId"))
    agent, run_id = _Agent.of(found[0]), new_id()
    principal.require(agent.workspace_id, Permission.RUN, ("input", "agentId"))
    if request.stands_alone and not principal.on_page:
        run = await _start_alone(principal, doorbell, agent, request, run_id)
        return StartedRun(run, replayed=False)
    async with seen_by(principal) as connection:
        earlier_id = await idempotency.claim(
            connection,
            # What end users choose for a key is nobody else's.
            scope_id=principal.end_user_id or agent.workspace_id,
            key=request.idempotency_key,
            request=_fingerprint(request),
            result_id=run_id,
        )
        if earlier_id is not None:
            return StartedRun(await Run.get(id=earlier_id), replayed=True)
        run, events = await _queue(connection, principal, agent, request, run_id)
    doorbell.ring()
    await publish(bus, events)
    return StartedRun(run, replayed=False)


def _validate(request: RunRequest) -> None:
    path = ("input", "message")
    require_storable(request.message, path, what="The message")
    if not request.message.strip():
        raise ValidationFailed("The message must not be empty.", path)
    size = len(request.message.encode())
    if size > MAX_MESSAGE_BYTES:
        raise ValidationFailed(f"The message must be at most {MAX_MESSAGE_BYTES:,} bytes; it has {size:,}.", path)
    if request.metadata is not None:
        require_json(request.metadata, ("input", "metadata"), max_bytes=MAX_METADATA_BYTES, what="The metadata")


def _fingerprint(request: RunRequest) -> dict[str, Any]:
    return {
        "mutation": "startRun",
        "agent_id": str(request.agent_id),
        "agent_version_id": str(request.agent_version_id),
        "thread_id": str(request.thread_id),
        "message": request.message,
        "if_busy": request.if_busy.value,
        "metadata": request.metadata,
    }


async def _start_alone(
    principal: Principal, doorbell: Doorbell, agent: _Agent, request: RunRequest, run_id: UUID
) -> Run:
    """The new run, in a new thread, as it was before anybody took it: one message to the database, as there is nothing
    to look at.
    """
    writes, thread = Writes(), _new_thread(principal, agent, request)
    run = _new_run(principal, agent, request, thread, run_id)
    writes.insert(thread)
    _add_beginning(writes, run, request)
    if not await doorbell.begin(run, writes, agent.credential):
        writes.insert(run)
        await writes.send_alone(reading([agent.workspace_id]))
        doorbell.ring()
    return run


async def _queue(
    connection: Connection, principal: Principal, agent: _Agent, request: RunRequest, run_id: UUID
) -> tuple[Run, list[LoggedEvent]]:
    """The new run, and what happened to others so that its turn comes, to be published after the commit."""
    agent.require_version()
    writes = Writes()
    thread = await _thread(connection, writes, principal, agent, request)
    events = await _make_way(connection, thread, request.if_busy)
    run = _new_run(principal, agent, request, thread, run_id)
    writes.insert(run)
    if principal.on_page:
        # Row-level security asks whose run the rest belongs to, and no statement sees rows of its own.
        await writes.send(connection)
        writes = Writes()
    _add_beginning(writes, run, request)
    await writes.send(connection)
    return run, events


def _new_run(principal: Principal, agent: _Agent, request: RunRequest, thread: Thread, run_id: UUID) -> Run:
    return Run(
        id=run_id,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        agent_version_id=agent.require_version(),
        thread_id=thread.id,
        input=request.message,
        metadata=request.metadata,
        started_by_id=principal.id,
        api_key_id=principal.api_key_id,
        end_user_id=thread.end_user_id,
        created_at=datetime.now(UTC),
    )


def _add_beginning(writes: Writes, run: Run, request: RunRequest) -> None:
    """What belongs to a new run: its message and its first event."""
    question = Message(
        workspace_id=run.workspace_id,
        thread_id=run.thread_id,
        run_id=run.id,
        position=0,
        role=MessageRole.USER,
        text=request.message,
    )
    writes.insert(question)
    first = RunStarted(snapshots.of_run(run, RunUsage()))
    write_events(writes, run.workspace_id, [LoggedEvent(run.id, 1, 1, run.created_at, None, first)])


def _new_thread(principal: Principal, agent: _Agent, request: RunRequest) -> Thread:
    title = _shorten(" ".join(request.message.split()))
    return Thread(workspace_id=agent.workspace_id, title=title, end_user_id=principal.end_user_id)


async def _thread(
    connection: Connection, writes: Writes, principal: Principal, agent: _Agent, request: RunRequest
) -> Thread:
    """The thread that was asked for, locked, or a new one, which is to be written with the run."""
    if request.thread_id is None:
        thread = _new_thread(principal, agent, request)
        writes.insert(thread)
        return thread
    # The lock makes runs that are started in one thread at the same moment see one another. It lets answers be added.
    condition = "WHERE id = $1 AND workspace_id = $2 FOR NO KEY UPDATE"
    found = await Thread.read(connection, condition, request.thread_id, agent.workspace_id)
    if not found:
        raise NotFound("There is no thread with this id in the agent's workspace.", ("input", "threadId"))
    return found[0]


async def _make_way(connection: Connection, thread: Thread, if_busy: BusyPolicy) -> list[LoggedEvent]:
    """Deal with the thread's runs that are not over; the events are to be published after the commit."""
    if if_busy is BusyPolicy.QUEUE:
        return []
    active = Run.filter(thread_id=thread.id, status__in=ACTIVE_STATUSES).order_by("id")
    if if_busy is BusyPolicy.REJECT:
        if await active.exists():
            raise Conflict("The thread has a run that is not over.", ("input", "threadId"))
        return []
    return [
        event for run in await active.select_for_update(no_key=True) for event in await request_cancel(connection, run)
    ]


def _shorten(title: str) -> str:
    return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"

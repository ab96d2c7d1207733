"""Starting runs. What ends them is in `services.run_endings`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog

from core.errors import Conflict, NotFound, ValidationFailed
from core.events import LoggedEvent, RunStarted
from core.ids import new_id
from core.inputs import require_json, require_storable
from core.permissions import Permission
from core.principals import Principal
from models import snapshots
from models.agents import Agent, AgentVersion
from models.database import Connection, seen_by
from models.llm_calls import RunUsage
from models.notifications import Notification, notify_alone
from models.runs import ACTIVE_STATUSES, Run
from models.threads import Message, MessageRole, Thread
from models.writes import Writes
from services import idempotency
from services.cancellations import request_cancel
from streaming.bus import Bus
from streaming.log import publish, write_events

MAX_MESSAGE_BYTES = 256 * 1024
MAX_METADATA_BYTES = 64 * 1024
TITLE_CHARS = 80

_log = structlog.get_logger(__name__)


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


@dataclass(frozen=True, slots=True)
class StartedRun:
    """``replayed``: the idempotency key was used before, and ``run`` is the run that was started then."""

    run: Run
    replayed: bool


async def start(principal: Principal, bus: Bus, request: RunRequest) -> StartedRun:
    """Queue a run, durably; executors are told at once.

    Raises:
        ValidationFailed: the message is empty, too long or can't be stored; so for the metadata.
        NotFound: no such agent, version of it, or thread in its workspace.
        Forbidden: the caller may not run agents in the workspace.
        Conflict: the agent is archived, or the thread busy and ``if_busy`` REJECT.
        IdempotencyConflict: the key was used for another request.
    """
    _validate(request)
    async with seen_by(principal) as connection:
        found = await Agent.read(connection, "WHERE id = $1", request.agent_id)
        if not found:
            raise NotFound("There is no agent with this id.", ("input", "agentId"))
        [agent] = found
        principal.require(agent.workspace_id, Permission.RUN, ("input", "agentId"))
        run_id = new_id()
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
    await _tell_executors()
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


async def _queue(
    connection: Connection, principal: Principal, agent: Agent, request: RunRequest, run_id: UUID
) -> tuple[Run, list[LoggedEvent]]:
    """The new run, and what happened to others so that its turn comes, to be published after the commit."""
    if agent.archived_at is not None:
        raise Conflict("The agent is archived; start no more runs of it.", ("input", "agentId"))
    version = await _version(connection, agent, request)
    writes = Writes()
    thread = await _thread(connection, writes, principal, agent.workspace_id, request)
    events = await _make_way(connection, thread, request.if_busy)
    run = Run(
        id=run_id,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        agent_version_id=version.id,
        thread_id=thread.id,
        input=request.message,
        metadata=request.metadata,
        started_by_id=principal.id,
        api_key_id=principal.api_key_id,
        end_user_id=thread.end_user_id,
    )
    writes.insert(run)
    if principal.on_page:
        # Row-level security asks whose run the rest belongs to, and no statement sees rows of its own.
        await writes.send(connection)
        writes = Writes()
    writes.insert(_question(run, request))
    first = RunStarted(snapshots.of_run(run, RunUsage()))
    write_events(writes, run.workspace_id, [LoggedEvent(run.id, 1, 1, run.created_at, None, first)])
    await writes.send(connection)
    return run, events


async def _tell_executors() -> None:
    """That there is a run, which is committed. Not with it: of those that notify, PostgreSQL commits one at a time, and
    each would wait until the one before is on disk. Executors that are not told look for themselves, each second.
    """
    try:
        await notify_alone(Notification.RUN_QUEUED, "")
    except Exception as error:
        _log.warning("could not tell executors of a run", error=repr(error))


def _question(run: Run, request: RunRequest) -> Message:
    return Message(
        workspace_id=run.workspace_id,
        thread_id=run.thread_id,
        run_id=run.id,
        position=0,
        role=MessageRole.USER,
        text=request.message,
    )


async def _version(connection: Connection, agent: Agent, request: RunRequest) -> AgentVersion:
    version_id = request.agent_version_id or agent.live_version_id
    found = await AgentVersion.read(connection, "WHERE id = $1 AND agent_id = $2", version_id, agent.id)
    if not found:
        raise NotFound("The agent has no version with this id.", ("input", "agentVersionId"))
    return found[0]


async def _thread(
    connection: Connection, writes: Writes, principal: Principal, workspace_id: UUID, request: RunRequest
) -> Thread:
    """The thread that was asked for, locked, or a new one, which is to be written with the run."""
    if request.thread_id is None:
        title = _shorten(" ".join(request.message.split()))
        thread = Thread(workspace_id=workspace_id, title=title, end_user_id=principal.end_user_id)
        writes.insert(thread)
        return thread
    # The lock makes runs that are started in one thread at the same moment see one another. It lets answers be added.
    condition = "WHERE id = $1 AND workspace_id = $2 FOR NO KEY UPDATE"
    found = await Thread.read(connection, condition, request.thread_id, workspace_id)
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

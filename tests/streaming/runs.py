"""Runs to stream: the rows that a run needs, and what a client makes of its events."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from core.events import LoggedEvent, RunEventBody, RunFinished, RunRewound, RunStarted, TextDelta
from core.ids import new_id
from models.agents import Agent, AgentVersion
from models.database import Connection, fetch, reading, transaction
from models.runs import Run, RunStatus
from models.threads import Thread
from models.workspaces import Workspace
from models.writes import Writes
from streaming.bus import Bus
from streaming.event_log import EventLog
from streaming.log import publish, read, write_events
from streaming.writer import RunWriter


async def make_workspace() -> UUID:
    workspace_id = new_id()
    async with transaction([workspace_id]):
        await Workspace.create(id=workspace_id, name="Lab", slug=f"lab-{workspace_id}")
    return workspace_id


async def make_run(workspace_id: UUID | None = None) -> Run:
    """A run that is being worked on in its first epoch, with no events but the first."""
    workspace_id = workspace_id or await make_workspace()
    agent_id, version_id, thread_id, run_id = new_id(), new_id(), new_id(), new_id()
    async with transaction([workspace_id]) as connection:
        await Agent.create(id=agent_id, workspace_id=workspace_id, name="Ada", live_version_id=version_id)
        await AgentVersion.create(
            id=version_id, workspace_id=workspace_id, agent_id=agent_id, number=1, model="scripted/words", max_steps=1
        )
        await Thread.create(id=thread_id, workspace_id=workspace_id)
        run = await Run.create(
            id=run_id,
            workspace_id=workspace_id,
            agent_id=agent_id,
            agent_version_id=version_id,
            thread_id=thread_id,
            status=RunStatus.RUNNING,
            input=["Hello"],
            epoch=1,
            started_by_id=new_id(),
        )
        first = LoggedEvent(run_id, 1, 1, datetime.now(UTC), None, RunStarted({"status": "QUEUED"}))
        await insert_events(connection, workspace_id, [first])
    return run


async def opened(log: EventLog, run: Run, epoch: int = 1) -> RunWriter:
    """The run's writer in this epoch, open."""
    writer = log.writer(run.id, run.workspace_id, epoch)
    async with transaction([run.workspace_id]) as connection:
        await writer.open(connection)
    return writer


async def insert_events(connection: Connection, workspace_id: UUID, events: Sequence[LoggedEvent]) -> None:
    writes = Writes()
    write_events(writes, workspace_id, events)
    await writes.send(connection)


async def take_over(run: Run) -> int:
    """Raise the run's epoch, as another process would; the new one."""
    async with transaction([run.workspace_id]) as connection:
        rows = await fetch(connection, "UPDATE runs SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch", run.id)
    return int(rows[0]["epoch"])


async def stored(run: Run) -> list[LoggedEvent]:
    return await read(reading([run.workspace_id]), run.id, 0, 100_000)


async def finish(bus: Bus, run: Run, writer: RunWriter) -> LoggedEvent:
    """End the run as its owner would, with the hash of all that it said."""
    await writer.flush()
    event = writer.next_event(RunFinished({"status": "SUCCEEDED"}, writer.text_sha256()))
    async with transaction([run.workspace_id]) as connection:
        await insert_events(connection, run.workspace_id, [event])
    await publish(bus, [event])
    return event


async def collect(events: AsyncGenerator[LoggedEvent, None]) -> list[LoggedEvent]:
    """All events of a stream that ends, within the patience of a test."""
    async with asyncio.timeout(30), aclosing(events):
        return [event async for event in events]


def bodies(events: Iterable[LoggedEvent]) -> list[RunEventBody]:
    return [event.body for event in events]


def assert_dense(events: Iterable[LoggedEvent], after: int = 0) -> None:
    """Each event begins where the one before it ended."""
    for event in events:
        assert event.first_seq == after + 1
        assert event.seq >= event.first_seq
        after = event.seq


def said(events: Iterable[LoggedEvent]) -> str:
    """The text that a client shows in the end, by the contract's own words: a rewind drops what its step said."""
    texts: list[LoggedEvent] = []
    for event in events:
        if isinstance(event.body, TextDelta):
            texts.append(event)
        elif isinstance(event.body, RunRewound):
            to_seq = event.body.to_seq
            texts = [text for text in texts if not (text.step_id == event.step_id and text.seq > to_seq)]
    return "".join(text.body.text for text in texts if isinstance(text.body, TextDelta))


def sha256_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()

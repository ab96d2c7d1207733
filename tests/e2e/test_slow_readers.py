"""Clients that read slowly, that stop reading, and that leave without a word."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from core import ids
from core.ids import IdPrefix
from models.database import open_connection
from tests.accounts import Member, sign_up
from tests.e2e.endpoint import PATH, ended
from tests.e2e.frames import HANDSHAKE, KEY, Opcode, Wire, frame, message, wire
from tests.e2e.test_sockets import FLOOD, until
from tests.operations import (
    RUN_EVENTS,
    assert_dense,
    create_agent,
    event_of,
    finish,
    new_key,
    sha256_of,
    start_run,
    text_of,
)
from tests.servers.app import Server
from tests.servers.process import ServerProcess
from tests.upstream.replies import text
from tests.upstream.server import Upstream

SMALL = 4096
# What a leak of a kilobyte an event makes of these is far beyond the limit.
WARM_UP_EVENTS, MEASURED_EVENTS = 3_000, 15_000
SEQS = """subscription ($runId: ID!, $after: Int!) {
  runEvents(runId: $runId, after: $after) { __typename seq at ... on StepStarted { step { id name status } } }
}"""
# After the end comes no more, so the run's last event moves behind them.
MOVE_LAST = "UPDATE run_events SET seq = seq + $3, first_seq = first_seq + $3 WHERE run_id = $1 AND seq = $2"
INSERT = """
INSERT INTO run_events (run_id, seq, first_seq, workspace_id, step_id, type, payload, at)
SELECT run_id, $2 + n - 1, $2 + n - 1, workspace_id, step_id, type, payload, at
FROM run_events, generate_series(1, $3) AS n WHERE run_id = $1 AND type = 'StepStarted' AND seq < $2
"""


def subscribe(query: str, id: str = "1", **variables: object) -> bytes:
    return message(type="subscribe", id=id, payload={"query": query, "variables": variables})


async def test_a_reader_that_falls_behind_gets_few_and_large_events_and_misses_nothing(
    ada: Member, executing: ServerProcess, upstream: Upstream
) -> None:
    tokens = [f"{number:04} ".ljust(4000, "x") for number in range(250)]
    model = upstream.serve(text(*tokens).pausing(0.002))
    run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
    async with wire(executing.url, receive_buffer=SMALL) as connection:
        await connection.initialise(**ada.client.headers)
        await connection.send(subscribe(RUN_EVENTS, runId=run["id"], delivery={"maxHz": 120}))
        await finish(ada, run)
        events = []
        while (answer := await connection.next_message())["type"] == "next":
            events.append(event_of(answer["payload"]))
    assert_dense(events)
    assert text_of(events) == "".join(tokens)
    assert events[-1]["textSha256"] == sha256_of(events)
    assert max(len(event.get("text", "")) for event in events) > 100_000


@pytest.mark.parametrize("sent", ["nothing", "pings", "control pings", "operations"])
async def test_a_reader_that_stops_is_cut_off_and_leaves_nothing(server: Server, sent: str) -> None:
    before = serving_tasks()
    name = new_key()
    async with wire(server.url, receive_buffer=SMALL) as connection:
        await connection.initialise(PATH)
        await connection.send(subscribe(FLOOD, name=name))
        sending = asyncio.create_task(keep_sending(connection, sent))
        try:
            await until(lambda: name in ended)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: serving_tasks() <= before)


async def keep_sending(connection: Wire, what: str) -> None:
    """Until the connection breaks, as fast as it takes it."""
    number = 0
    while what != "nothing":
        number += 1
        if what == "pings":
            frames = message(type="ping", payload={"a": "x" * 1000})
        elif what == "control pings":
            frames = frame(Opcode.PING, bytes(125))
        else:
            frames = subscribe("{ requestId }", id=str(number))
        await connection.send(frames * 20 if what != "operations" else frames)
        await asyncio.sleep(0)


STAGES = ("connect", "half a handshake", "handshake", "init", "subscribed", "half a frame", "half a message", "unread")


async def leave_at(connection: Wire, stage: str, run_id: str, token: dict[str, str]) -> None:
    if stage == "connect":
        return
    if stage == "half a handshake":
        await connection.send(HANDSHAKE.format(path="/graphql", key=KEY, headers="").encode()[:80])
        return
    await connection.shake_hands()
    if stage == "handshake":
        return
    await connection.send(message(type="connection_init", payload=token))
    if stage == "init":
        return
    await connection.next_message()
    await connection.send(subscribe(SEQS, runId=run_id, after=0))
    if stage == "half a frame":
        await connection.send(frame(Opcode.TEXT, bytes(100))[:50])
    elif stage == "half a message":
        await connection.send(frame(Opcode.TEXT, b'{"type"', fin=False))
    elif stage == "subscribed":
        await connection.next_message()


async def test_hundreds_who_leave_without_a_word_at_any_moment_leave_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    member = await sign_up(server)
    run = await start_run(member, await create_agent(member, "local/smollm2-135m"))
    subscriptions = server.app.state.runtime.bus._subscriptions
    before, files = serving_tasks(), open_files()

    async def come_and_go(number: int) -> None:
        async with wire(server.url) as connection:
            await leave_at(connection, STAGES[number % len(STAGES)], run["id"], member.client.headers)
            if number % 3:
                connection.abort()

    for batch in range(10):
        await asyncio.gather(*(come_and_go(batch * 50 + number) for number in range(50)))
    await until(lambda: serving_tasks() <= before and not subscriptions)
    # The pool of connections to the database has grown.
    await until(lambda: open_files() <= files + 50)
    assert not caplog.records


def serving_tasks() -> set[asyncio.Task[Any]]:
    """The tasks that serve connections and their operations. Pools and clients of the same process have others."""
    places = ("/uvicorn/protocols/", "/strawberry/", "/schema/", "/resolvers/", "/streaming/")
    frames = {task: task.get_stack(limit=1) for task in asyncio.all_tasks()}
    return {task for task, stack in frames.items() if stack and any(p in stack[0].f_code.co_filename for p in places)}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_server_keeps_nothing_of_the_events_that_it_sent(
    ada: Member, executing: ServerProcess, executing_url: str
) -> None:
    run = await finish(ada, await start_run(ada, await create_agent(ada)))
    await insert_events(executing_url, run["id"], run["lastSeq"], WARM_UP_EVENTS + MEASURED_EVENTS)
    variables = {"runId": run["id"], "after": run["lastSeq"] - 1}
    async with ada.client.connect() as socket:
        await socket.send(
            id="1",
            type="subscribe",
            payload={"query": SEQS, "variables": variables},
        )
        for _ in range(WARM_UP_EVENTS):
            await socket.receive()
        before = resident_bytes(executing.command.pid)
        for _ in range(MEASURED_EVENTS):
            assert "errors" not in await socket.receive()
        grown = resident_bytes(executing.command.pid) - before
        socket.connection.transport.abort()
    assert grown < 5_000_000


async def insert_events(url: str, run_id: str, last_seq: int, count: int) -> None:
    """More events of that run, none of which merges with the next."""
    connection = await open_connection(url)
    for statement in (MOVE_LAST, INSERT):
        await connection.execute(statement, ids.decode(IdPrefix.RUN, run_id), last_seq, count)
    await connection.close()


def resident_bytes(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024

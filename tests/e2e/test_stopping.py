"""SIGTERM: what a deployment sends to the processes that it replaces."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic
from urllib.parse import urlsplit

import pytest

from models.database import open_connection
from tests.accounts import sign_up
from tests.event_streams import ACCEPTS, stream
from tests.operations import RUN_EVENTS, create_agent, event_of, start_run
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import serve_in_process
from tests.upstream.replies import Signal, numbered_tokens, text
from tests.upstream.server import Upstream

GRACE_S = 3.0
MARGIN_S = 5.0


@pytest.fixture
async def url(worker_id: str) -> AsyncIterator[str]:
    name = f"stopping_{worker_id}"
    url = await create_database(name)
    yield url
    await drop_database(name)


async def statuses(url: str) -> list[str]:
    """Of all runs, oldest first."""
    connection = await open_connection(url)
    rows = await connection.fetch("SELECT status FROM runs ORDER BY id")
    await connection.close()
    return [row["status"] for row in rows]


async def test_runs_get_some_time_and_what_is_unfinished_goes_back_to_the_queue(url: str, upstream: Upstream) -> None:
    short = upstream.serve(text(*numbered_tokens(10)).pausing(GRACE_S / 20))
    endless = upstream.serve(text("x").then(Signal.HANG, after=1))
    async with serve_in_process(url, upstream, SHUTDOWN_GRACE_S=str(GRACE_S)) as server:
        ada = await sign_up(server)
        for model in (short, endless):
            await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
            await upstream.exchange(model)
        told_at = monotonic()
        server.command.send(signal.SIGTERM)
        assert await server.command.wait() == 0
        assert monotonic() - told_at < GRACE_S + MARGIN_S
    assert await statuses(url) == ["SUCCEEDED", "QUEUED"]


async def test_a_request_under_way_gets_its_answer_and_a_stream_is_broken_off_to_be_resumed_elsewhere(
    url: str, upstream: Upstream
) -> None:
    body = json.dumps({"query": "{ __typename }"}).encode()
    async with serve_in_process(url, upstream, "--no-executor") as server, AsyncExitStack() as stack:
        ada = await sign_up(server)
        run = await start_run(ada, await create_agent(ada))
        streams = [
            await stack.enter_async_context(stream(ada.client, each, RUN_EVENTS, runId=run["id"])) for each in ACCEPTS
        ]
        for opened in streams:
            assert event_of(await opened.result())["seq"] == 1
        reader, writer = await asyncio.open_connection(*urlsplit(server.url).netloc.split(":"))
        head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\n\r\n".encode() + body[:5])
        await writer.drain()
        await asyncio.sleep(0.2)
        server.command.send(signal.SIGTERM)
        for opened in streams:
            assert [result async for result in opened.results()] == []
            assert not opened.completed
        writer.write(body[5:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'{"data"' in answer
        assert await server.command.wait() == 0
        # Had anything held it up, uvicorn would have cancelled that after its period of grace.
        assert "timeout graceful shutdown exceeded" not in server.command.output

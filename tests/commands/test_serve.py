"""Taking a port, and serving on it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from commands.serve import address_of, listen, serving
from commands.terminal import CommandFailed
from tests.servers.app import settings_for


def test_a_taken_port_is_a_clear_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Port {port} is taken"):
            listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_a_clear_failure() -> None:
    with pytest.raises(CommandFailed, match=r"Can't listen on 203\.0\.113\.1, port 0"):
        listen("203.0.113.1", 0)


@pytest.mark.parametrize(("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_its_address_is_a_url(host: str, start: str) -> None:
    with listen(host, 0) as listener:
        assert address_of(listener) == f"{start}{listener.getsockname()[1]}"


async def test_a_client_that_reads_nothing_is_dropped() -> None:
    ended = asyncio.Event()

    async def endless(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield b"x" * 65_536
            finally:
                ended.set()

        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/", endless)])
    app.state.runtime = SimpleNamespace(stopping=asyncio.Event())
    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener, settings_for("", stalled_client_timeout_s=0.2)):
            reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=1024)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
                async with asyncio.timeout(30):
                    await ended.wait()
            finally:
                writer.transport.abort()

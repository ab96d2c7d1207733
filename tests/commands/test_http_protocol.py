"""What is written to clients over HTTP: the same as uvicorn writes, in fewer pieces."""

import asyncio
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from commands.http_protocol import HttpProtocol


class Client(asyncio.Transport):
    """The transport to a client who reads everything. ``pieces``: what was written, and None for the end of it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.pieces: list[bytes | None] = []

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.pieces.append(None)

    def is_closing(self) -> bool:
        return None in self.pieces

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """In three pieces where the path says so, of which the second comes later."""
    parts = [b"one ", b"two ", b"three"] if scope["path"] == "/slow" else [b"whole"]
    headers = [] if len(parts) > 1 else [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, part in enumerate(parts):
        for _ in range(3 * (number == 1)):
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": part, "more_body": number < len(parts) - 1})


async def pieces_of(kind: type[HttpToolsProtocol], *requests: bytes) -> list[bytes | None]:
    state, client = ServerState(), Client()
    config = uvicorn.Config(answer, lifespan="off", log_config=None, access_log=False)
    config.load()
    connection = kind(config, state, {})
    connection.connection_made(client)
    connection.data_received(b"".join(requests))
    async with asyncio.timeout(30):
        while state.tasks:
            await asyncio.wait([*state.tasks])
    assert state.total_requests == len(requests)
    await asyncio.sleep(0)
    pieces = [*client.pieces]
    connection.connection_lost(None)
    return pieces


def asking(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: example.com", *headers, "", ""]).encode()


async def test_an_answer_goes_in_one_piece() -> None:
    [piece] = await pieces_of(HttpProtocol, asking("/"))
    assert piece is not None
    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b"\r\n\r\nwhole")


async def test_what_is_not_written_at_once_is_not_waited_for() -> None:
    first, second = await pieces_of(HttpProtocol, asking("/slow"))
    assert first is not None
    assert first.endswith(b"one \r\n")
    assert second == b"4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "requests",
    [
        [asking("/")],
        [asking("/slow")],
        [asking("/", "Connection: close")],
        [asking("/slow"), asking("/"), asking("/slow", "Connection: close")],
    ],
)
async def test_it_is_what_uvicorn_writes(requests: list[bytes]) -> None:
    plain, joined = [await pieces_of(kind, *requests) for kind in (HttpToolsProtocol, HttpProtocol)]
    assert b"".join(filter(None, joined)) == b"".join(filter(None, plain))
    assert [None in plain, plain[-1] is None] == [None in joined, joined[-1] is None]


def test_an_answer_to_a_client_who_has_just_left_is_dropped() -> None:
    """On uvloop, as the server runs: its transports refuse what comes after their end."""
    made: list[HttpProtocol] = []

    class Noted(HttpProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            made.append(self)

        def connection_lost(self, exc: Exception | None) -> None:
            # As where the client has reset it.
            super().connection_lost(ConnectionResetError())

    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        # It is gone for good in the course of this turn, at whose end the answer would be sent.
        made[0].transport.abort()
        await answer(scope, receive, send)

    async def check() -> None:
        failures: list[dict[str, Any]] = []
        loop, state = asyncio.get_running_loop(), ServerState()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        config = uvicorn.Config(leave, lifespan="off", log_config=None, access_log=False)
        config.load()
        async with await loop.create_server(lambda: Noted(config, state, {}), "127.0.0.1", 0) as listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(asking("/"))
            async with asyncio.timeout(30):
                assert await reader.read() == b""
            writer.close()
            await asyncio.sleep(0.05)
        assert not failures

    uvloop.run(check())

"""What is sent over a WebSocket is what uvicorn and websockets would send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.frames import Frame
from websockets.frames import Opcode as FrameType
from websockets.typing import Subprotocol

from commands.websocket_protocol import Config, WebSocketProtocol, text_frame
from schema.sockets import TEXT_AT_ONCE
from tests.e2e.frames import Opcode, Wire, frame, wire

App = Callable[[Any, Any, Any], Awaitable[None]]
SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 65_537)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SIZES) | st.integers(0, 70_000), st.sampled_from(["a", "é", "𝄞"]))
def test_a_frame_is_that_of_websockets(size: int, character: str) -> None:
    data = (character * size).encode()[:size]
    assert text_frame(data) == Frame(FrameType.TEXT, data).serialize(mask=False)


@asynccontextmanager
async def serving(
    app: App, protocol: type[WebSocketsSansIOProtocol] = WebSocketProtocol, **options: Any
) -> AsyncIterator[str]:
    """Where ``app`` is, within the block, at whose end it may still say that its connections are gone."""
    config = Config(app, 30.0, ws=protocol, log_config=None, **{"ws_per_message_deflate": False} | options)
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(30):
            await asyncio.gather(*state.tasks)


async def accept(receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": content}


async def failure_of(sending: Awaitable[None]) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which one is for the caller to say
        await sending
    return type(raised.value).__name__


async def read_all(connection: Wire) -> bytes:
    async with asyncio.timeout(30):
        return await connection.reader.read(-1)


@pytest.mark.parametrize("compression", [False, True])
async def test_whatever_is_sent_the_bytes_are_those_of_uvicorn(compression: bool) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        for size in SIZES:
            await send(text("a" * size))
            await send({"type": "websocket.send", "bytes": b"b" * size})
        await send({**text("é"), "bytes": None})
        await send({"type": "websocket.send", "text": None, "bytes": b"c"})
        await send({**text("d"), "bytes": b"e"})
        # A lone surrogate can't be written, and harms nothing.
        assert await failure_of(send(text("\ud800"))) == "UnicodeEncodeError"
        await send(text("𝄞"))
        await send({"type": "websocket.close", "code": 4000})
        over.set()

    received, over = [], asyncio.Event()
    for protocol in (WebSocketsSansIOProtocol, WebSocketProtocol):
        async with serving(app, protocol, ws_per_message_deflate=compression) as url, wire(url) as connection:
            await connection.shake_hands(headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
            reading = asyncio.create_task(read_all(connection))
            await asyncio.wait_for(over.wait(), 30)
            over.clear()
            await connection.send(frame(Opcode.CLOSE, b"\x0f\xa0"))
            received.append(await reading)
    assert received[0] == received[1]
    assert (len(received[0]) < 1000) is compression


async def test_nothing_is_sent_before_the_handshake_is_over() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        assert await failure_of(send(text("a"))) == "RuntimeError"
        await send({"type": "websocket.close"})

    async with serving(app) as url, wire(url) as connection:
        assert (await connection.shake_hands()).startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("who", ["the client", "the client, without a word", "the application"])
async def test_nothing_is_sent_after_the_end(who: str) -> None:
    over = asyncio.Event()

    async def app(_: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await send(text("a"))
        if who == "the application":
            await send({"type": "websocket.close", "code": 4000})
        else:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        for _ in range(2):
            assert await failure_of(send(text("b"))) == "ClientDisconnected"
        over.set()

    async with serving(app) as url, wire(url) as connection:
        await connection.shake_hands()
        assert await connection.next_frame() == (Opcode.TEXT, b"a")
        if who == "the client":
            await connection.send(frame(Opcode.CLOSE, b"\x03\xe8"))
        elif who == "the client, without a word":
            connection.abort()
        async with asyncio.timeout(30):
            await over.wait()
        if who != "the client, without a word":
            assert (await connection.next_frame())[0] == Opcode.CLOSE
            if who == "the application":
                await connection.send(frame(Opcode.CLOSE, b"\x0f\xa0"))
            assert await read_all(connection) == b""


async def read_late(app: App, held_up: asyncio.Event) -> list[str]:
    """What a peer gets that reads nothing before ``app`` is held up by that, up to its close."""
    async with serving(app) as url, wire(url, receive_buffer=4096) as connection:
        await connection.shake_hands()
        received = []
        async with asyncio.timeout(60):
            await held_up.wait()
            while (got := await connection.next_frame())[0] == Opcode.TEXT:
                received.append(got[1].decode())
        await connection.send(frame(Opcode.CLOSE, b"\x03\xe8"))
    return received


async def test_to_a_peer_that_does_not_read_nothing_more_is_sent_until_it_does() -> None:
    sent: list[str] = []
    held_up = asyncio.Event()

    async def app(_: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        while not held_up.is_set():
            sent.append(str(len(sent)) * 20_000)
            sending = asyncio.ensure_future(send(text(sent[-1])))
            if not (await asyncio.wait([sending], timeout=0.5))[0]:
                held_up.set()
            await sending
        await send({"type": "websocket.close"})

    assert await read_late(app, held_up) == sent


@pytest.mark.parametrize("compression", [False, True])
async def test_what_is_sent_at_once_is_what_would_be_sent(compression: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send_at_once = scope["extensions"][TEXT_AT_ONCE]
        assert not send_at_once(b"too early")
        await accept(receive, send)
        for size in SIZES:
            await send(text("é" * size))
            assert send_at_once(("é" * size).encode()) is not compression
        await send({"type": "websocket.close"})
        assert not send_at_once(b"too late")

    async with (
        serving(app, ws_per_message_deflate=compression) as url,
        connect(f"ws{url[4:]}/", max_size=None, subprotocols=[Subprotocol("graphql-transport-ws")]) as peer,
    ):
        received = [message async for message in peer]
    assert received == [message for size in SIZES for message in ["é" * size] * (1 if compression else 2)]


async def test_nothing_is_sent_at_once_while_the_peer_does_not_read() -> None:
    count, is_held_up = 0, asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal count
        await accept(receive, send)
        while scope["extensions"][TEXT_AT_ONCE](b"%d" % count * 5_000):
            count += 1
            await asyncio.sleep(0)
        is_held_up.set()
        await send({"type": "websocket.close"})

    received = await read_late(app, is_held_up)
    assert count > 1
    assert received == [f"{number}" * 5_000 for number in range(count)]


def test_a_connection_that_breaks_before_its_turn_to_send_keeps_no_other_from_sending() -> None:
    """On uvloop, as the server runs: its transports refuse what comes after their end."""
    made: list[WebSocketProtocol] = []
    sends: list[Callable[[Any], Awaitable[None]]] = []

    class Noted(WebSocketProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            made.append(self)

    async def app(_: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        sends.append(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def check() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        async with serving(app, Noted) as url, wire(url) as first, wire(url) as second:
            for connection in (first, second):
                await connection.shake_hands()
            async with asyncio.timeout(30):
                while len(sends) < 2:  # noqa: ASYNC110  # said by two tasks of the server
                    await asyncio.sleep(0.01)
                # It is gone for good in the course of this turn, at whose end both would send.
                made[0].transport.abort()
                for send in sends:
                    await send(text("a"))
                assert await second.next_frame() == (Opcode.TEXT, b"a")
                await sends[1](text("b"))
                assert await second.next_frame() == (Opcode.TEXT, b"b")
            await second.send(frame(Opcode.CLOSE, b"\x03\xe8"))
            first.abort()
        assert not failures

    uvloop.run(check())

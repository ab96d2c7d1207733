"""Clients of bare sockets, which cost the machine as little as may be: HTTP/1.1 and `graphql-transport-ws`."""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar, cast

import httptools
import orjson

from benchmarks.answers import Wrong

P = TypeVar("P", bound=asyncio.Protocol)

Listener = Callable[[bytes, float], None]
"""Takes the message of one result, and when it came, in seconds of CLOCK_MONOTONIC."""

# All servers say early in a message of which type it is.
_NEXT, _EARLY = b'"next"', 80
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A


async def connect(port: int, make: Callable[[], P]) -> P:
    """A connection to a port of this machine."""
    _, protocol = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
    return protocol


def data_of(message: bytes) -> Any:
    """The data of a result. Raises Wrong where there are errors."""
    payload = orjson.loads(message)["payload"]
    if "errors" in payload:
        raise Wrong(f"Not an answer: {payload}")
    return payload["data"]


class Http(asyncio.Protocol):
    """One connection, for one request after the other. ``on_data`` may be set to see bodies as they come."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._arrived_at = 0.0
        self._body: list[bytes] = []
        self._answer: asyncio.Future[bytes] | None = None
        self.on_data: Callable[[bytes], None] = self._body.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has another base

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("The server closed the connection."))

    def data_received(self, data: bytes) -> None:
        self._arrived_at = time.monotonic()
        self._parser.feed_data(data)

    def arrived_at(self) -> float:
        """When the data that is being taken arrived, in seconds of CLOCK_MONOTONIC."""
        return self._arrived_at

    def on_body(self, data: bytes) -> None:
        self.on_data(data)

    def on_message_complete(self) -> None:
        assert self._answer is not None
        status = self._parser.get_status_code()
        if status == 200:
            self._answer.set_result(b"".join(self._body))
        else:
            self._answer.set_exception(Wrong(f"Status {status}: {b''.join(self._body)[:200]!r}"))
        self._body.clear()

    async def get(self, path: str) -> bytes:
        """The body that comes under status 200, unless ``on_data`` took it."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())

    async def post(self, path: str, body: bytes, token: str | None = None) -> bytes:
        """As `get`."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{authorization}"
        return await self._ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


class GraphQLSocket(asyncio.Protocol):
    """One WebSocket (RFC 6455) of `graphql-transport-ws`, for any number of operations. ``open`` it first."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False
        self._token: str | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ids = map(str, count(1))
        self._operations: dict[str, tuple[asyncio.Future[None], Listener]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has another base

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionResetError("The server closed the socket."))

    async def open(self, token: str | None = None) -> None:
        """Shake hands, and say who asks."""
        key = b64encode(os.urandom(16)).decode()
        self.transport.write(
            "GET /graphql HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        self._token = token
        await self._ready

    async def run(self, document: str, variables: dict[str, Any], listener: Listener) -> None:
        """Run one operation to its end; ``listener`` gets the message of each of its results."""
        id, done = next(self._ids), asyncio.get_running_loop().create_future()
        self._operations[id] = done, listener
        self._send({"id": id, "type": "subscribe", "payload": {"query": document, "variables": variables}})
        await done

    def _send(self, message: dict[str, Any]) -> None:
        self._frame(_TEXT, orjson.dumps(message))

    def _frame(self, head: int, data: bytes) -> None:
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        # Masked with zeros, which leaves the data as it is.
        self.transport.write(bytes([head]) + size + bytes(4) + data)

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        self._buffer += data
        if not self._upgraded:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            self._upgraded, self._buffer = True, bytearray(rest)
            if b" 101 " not in head:
                self._fail(Wrong(f"The server does not upgrade: {head[:100]!r}"))
            payload = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._send({"type": "connection_init", "payload": payload})
        try:
            self._take_frames(at)
        except Exception as error:
            self._fail(error)

    def _take_frames(self, at: float) -> None:
        buffer, begin = self._buffer, 0
        while len(buffer) - begin >= 2:
            size, data = buffer[begin + 1], begin + 2
            if size >= 126:
                data += 2 if size == 126 else 8
                size = int.from_bytes(buffer[begin + 2 : data], "big")
            if len(buffer) < data + size:
                break
            self._take(buffer[begin], bytes(buffer[data : data + size]), at)
            begin = data + size
        del buffer[:begin]

    def _take(self, head: int, data: bytes, at: float) -> None:
        if head == _PING:
            self._frame(_PONG, data)
        elif head == _CLOSE:
            raise Wrong(f"The server closed the socket: {data!r}")
        elif head == _TEXT:
            self._take_text(data, at)

    def _take_text(self, data: bytes, at: float) -> None:
        if len(self._operations) == 1 and _NEXT in data[:_EARLY]:
            [(_, listener)] = self._operations.values()
            listener(data, at)
            return
        message = orjson.loads(data)
        match message["type"]:
            case "connection_ack":
                self._ready.set_result(None)
            case "next":
                _, listener = self._operations[message["id"]]
                listener(data, at)
            case "complete":
                done, _ = self._operations.pop(message["id"])
                done.set_result(None)
            case _:
                raise Wrong(f"Unexpected: {message}")

    def _fail(self, error: Exception) -> None:
        for waiting in (self._ready, *(done for done, _ in self._operations.values())):
            if not waiting.done():
                waiting.set_exception(error)

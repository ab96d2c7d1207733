"""A WebSocket by hand (RFC 6455), for what no client library would send, and for clients that do not read."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n{headers}\r\n"
)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it. ``reserved``: the three bits that extensions use, 4 for a compressed message."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mask_bit | len(data)])
    elif len(data) < 2**16:
        head += bytes([mask_bit | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", len(data))
    # A mask of zeros leaves the data as they are.
    return head + (bytes(4) if masked else b"") + data


def message(**content: object) -> bytes:
    return frame(Opcode.TEXT, json.dumps(content).encode())


class Wire:
    """The bytes of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def shake_hands(self, path: str = "/graphql", headers: str = "") -> str:
        """The head of the server's answer."""
        await self.send(HANDSHAKE.format(path=path, key=KEY, headers=headers).encode())
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def initialise(self, path: str = "/graphql", **payload: object) -> None:
        assert (await self.shake_hands(path)).startswith("HTTP/1.1 101 ")
        await self.send(message(type="connection_init", payload=payload))
        assert await self.next_message() == {"type": "connection_ack"}

    async def next_frame(self) -> tuple[int, bytes]:
        """Raises asyncio.IncompleteReadError, or ConnectionError, once the connection is closed."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            [size] = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            [size] = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def next_message(self) -> Any:
        opcode, data = await self.next_frame()
        assert opcode == Opcode.TEXT, (opcode, data)
        return json.loads(data)

    async def close_code(self) -> int:
        """The code of the close frame that comes sooner or later, 1005 when it has none; 1006 when the connection ends
        without one.
        """
        try:
            async with asyncio.timeout(30):
                while True:
                    opcode, data = await self.next_frame()
                    if opcode == Opcode.CLOSE:
                        return int.from_bytes(data[:2], "big") if data else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            return 1006

    def abort(self) -> None:
        """Drop the connection as a crash of the client's machine would, at once and with a reset."""
        self.writer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()


@asynccontextmanager
async def wire(url: str, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
    """A connection to the server at ``url``; ``receive_buffer``: how many bytes the kernel takes for a slow reader."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.setblocking(False)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
    # The reader takes what the test asks for and little more, so that what it leaves fills the kernel's buffers.
    reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
        # The transport lets go of its socket with the loop's next turn.
        await asyncio.sleep(0)

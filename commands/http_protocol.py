"""uvicorn's HTTP, of which what is written together is sent together."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """A connection that sends the head of an answer with its body, not before it: one system call, and one time that
    the client wakes up.
    """

    transport: Any

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        joined: Any = Joined(transport)
        super().connection_made(joined)

    def handle_websocket_upgrade(self) -> None:
        # Frames go at once, and their protocol asks how much is not sent yet.
        self.transport = self.transport.whole
        super().handle_websocket_upgrade()


class Joined:
    """Sends together what is written in one turn of the event loop, to the transport ``whole``."""

    def __init__(self, whole: asyncio.Transport) -> None:
        self.whole = whole
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def write(self, data: bytes) -> None:
        """Nothing else that a transport is told may come before it, but for ``abort``."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        self._send()
        self.whole.close()

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self.whole.write(b"".join(parts))

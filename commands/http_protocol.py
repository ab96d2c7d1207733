"""uvicorn's HTTP, of which what is written together is sent together."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from commands.joined_transport import JoinedTransport


class HttpProtocol(HttpToolsProtocol):
    """A connection that sends the head of an answer with its body, not before it: one system call, and one time that
    the client wakes up.
    """

    transport: Any

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        joined: Any = JoinedTransport(transport)
        super().connection_made(joined)

    def handle_websocket_upgrade(self) -> None:
        # Its protocol makes one of its own.
        self.transport = self.transport.whole
        super().handle_websocket_upgrade()
        # Nothing more comes here. The two refer to each other, and would be left to the collector of cycles.
        self.parser: Any = None

"""A network between client and server that breaks WebSockets off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_CHUNK = 64 * 1024

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CuttingProxy:
    """Passes connections on to the server at ``target``; a WebSocket breaks off after so many bytes from the server.

    ``limits`` are of the first, the second ... WebSocket; later ones last. ``url`` is the proxy's origin.
    """

    def __init__(self, target: str, limits: list[int]) -> None:
        self._target = urlsplit(target)
        self._limits = limits
        self._sockets = 0
        self._opened = asyncio.Condition()
        self.url = ""

    @property
    def cuts_left(self) -> int:
        return len(self._limits)

    def redirect(self, target: str) -> None:
        """Pass connections that come from now on to another server."""
        self._target = urlsplit(target)

    async def opened(self, sockets: int) -> None:
        """Wait until there were so many WebSockets."""
        async with asyncio.timeout(180), self._opened:
            await self._opened.wait_for(lambda: self._sockets >= sockets)

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target.hostname is not None
        try:
            server = await asyncio.open_connection(self._target.hostname, self._target.port)
            try:
                await self._pass_on((reader, writer), server)
            finally:
                server[1].transport.abort()
        finally:
            writer.transport.abort()

    async def _pass_on(self, client: _Stream, server: _Stream) -> None:
        reader, writer = client
        server_reader, server_writer = server
        left: int | None = None

        async def to_server() -> None:
            nonlocal left
            while data := await reader.read(_CHUNK):
                # Any request of a connection may be the one that makes a WebSocket of it.
                if b"upgrade: websocket" in data.lower():
                    left = self._limits.pop(0) if self._limits else None
                    async with self._opened:
                        self._sockets += 1
                        self._opened.notify_all()
                server_writer.write(data)
                await server_writer.drain()

        async def to_client() -> None:
            nonlocal left
            while data := await server_reader.read(_CHUNK):
                if left is not None:
                    data, left = data[:left], left - len(data)
                writer.write(data)
                await writer.drain()
                if left is not None and left <= 0:
                    return

        pumps = [asyncio.create_task(to_server()), asyncio.create_task(to_client())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


@asynccontextmanager
async def cutting_proxy(target: str, *limits: int) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(target, list(limits))
    server = await asyncio.start_server(proxy.link, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()

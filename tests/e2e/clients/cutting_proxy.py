"""A network between client and server that breaks WebSockets off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


class CuttingProxy:
    """Passes connections on to the server at ``target``; a WebSocket breaks off after so many bytes from the server.

    ``limits`` are of the first, the second ... WebSocket; later ones last. ``url`` is the proxy's origin.
    """

    def __init__(self, target: str, limits: list[int]) -> None:
        self._target = urlsplit(target)
        self._limits = limits
        self.url = ""

    @property
    def cuts_left(self) -> int:
        return len(self._limits)

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target.hostname is not None
        server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        left: int | None = None

        async def to_server() -> None:
            nonlocal left
            while data := await reader.read(_CHUNK):
                # Any request of a connection may be the one that makes a WebSocket of it.
                if b"upgrade: websocket" in data.lower() and self._limits:
                    left = self._limits.pop(0)
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
            writer.transport.abort()
            server_writer.transport.abort()


@asynccontextmanager
async def cutting_proxy(target: str, *limits: int) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(target, list(limits))
    server = await asyncio.start_server(proxy.link, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()

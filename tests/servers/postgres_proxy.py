"""A network between the application and PostgreSQL that fails on request."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, urlsplit

from models.database import credentials_of

_CHUNK = 64 * 1024

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PostgresProxy:
    """Passes bytes between a socket of its own and that of the server of ``database_url``, a Unix domain socket."""

    def __init__(self, database_url: str) -> None:
        credentials = credentials_of(database_url)
        self._directory = tempfile.TemporaryDirectory(prefix="synapse-test-proxy-")
        name = f".s.PGSQL.{credentials['port']}"
        self._target = Path(credentials["host"], name)
        self._path = Path(self._directory.name, name)
        self._links: set[asyncio.Task[None]] = set()
        self._losing: bytes | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.links_made = 0
        self.messages = 0
        """How many times it has passed something on to the server."""
        self.url = urlsplit(database_url)._replace(query=f"host={quote(self._directory.name)}").geturl()

    async def __aenter__(self) -> "PostgresProxy":
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.close()
        self._directory.cleanup()

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_unix_server(self._link, self._path)

    async def close(self) -> None:
        """Cut all connections, and refuse new ones."""
        self._server.close()
        self._path.unlink(missing_ok=True)
        # Whoever was accepted just now becomes a link only with the loop's next turn.
        await asyncio.sleep(0)
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def stall(self) -> None:
        """Pass nothing on any more, without closing anything: as when a machine vanishes."""
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    def lose_answer_to(self, statement: str) -> None:
        """Pass the next ``statement`` on to the server, but cut the connection instead of bringing its answer."""
        self._losing = statement.encode()

    @property
    def has_lost_answer(self) -> bool:
        return self._losing is None

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self.links_made += 1
        task.add_done_callback(self._links.discard)
        with closing(writer):
            server_reader, server_writer = await asyncio.open_unix_connection(self._target)
            with closing(server_writer):
                await self._pass_on((reader, writer), (server_reader, server_writer))

    async def _pass_on(self, client: _Stream, server: _Stream) -> None:
        awaits_lost_answer = False

        def to_server(data: bytes) -> bytes:
            nonlocal awaits_lost_answer
            self.messages += 1
            if self._losing is not None and self._losing in data:
                self._losing = None
                awaits_lost_answer = True
            return data

        def to_client(data: bytes) -> bytes:
            return b"" if awaits_lost_answer else data

        pumps = [
            asyncio.create_task(_pump(client[0], server[1], to_server, self._flowing)),
            asyncio.create_task(_pump(server[0], client[1], to_client, self._flowing)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Callable[[bytes], bytes], flowing: asyncio.Event
) -> None:
    """Copy until the end, or until ``passed`` lets nothing through; wait while it is not ``flowing``."""
    while data := await reader.read(_CHUNK):
        await flowing.wait()
        if not (data := passed(data)):
            return
        writer.write(data)
        await writer.drain()

"""Streams over HTTP, as their bytes come in."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.client import Client, Json, OperationFailed

SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'
ACCEPTS = (SSE, MULTIPART)

_DELIMITER = b"\r\n--graphql"


class EventStream:
    """A stream that is open. ``completed``: its protocol's end has come, and not merely the connection's."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.heartbeats = 0
        self.completed = False

    async def results(self) -> AsyncIterator[Json]:
        """Each result as it comes, to the end of the response."""
        read = self._server_sent_events if self.response.content_type == SSE else self._parts
        async for result in read():
            yield result

    async def result(self) -> Json:
        """The next result."""
        return await anext(self.results())

    async def _server_sent_events(self) -> AsyncIterator[Json]:
        while block := await self.response.content.readuntil(b"\n\n"):
            assert not self.completed
            fields = dict(line.split(":", 1) for line in block.decode().splitlines() if line)
            if fields.get("event") == " next":
                yield json.loads(fields["data"])
            elif fields.get("event") == " complete":
                self.completed = True
            else:
                assert fields == {"": ""}
                self.heartbeats += 1

    async def _parts(self) -> AsyncIterator[Json]:
        while part := await self.response.content.readuntil(_DELIMITER):
            assert not self.completed
            if part in (_DELIMITER, b"--\r\n"):
                self.completed = part == b"--\r\n"
                continue
            head, _, body = part.removesuffix(_DELIMITER).partition(b"\r\n\r\n")
            assert head == b"\r\nContent-Type: application/json; charset=utf-8"
            message = json.loads(body)
            if message == {}:
                self.heartbeats += 1
            else:
                assert list(message) == ["payload"]
                yield message["payload"]


@asynccontextmanager
async def stream(
    client: Client, accept: str, query: str | None, /, *, extensions: Json | None = None, **variables: Any
) -> AsyncIterator[EventStream]:
    """An operation under way; the connection closes with the block."""
    headers = client.headers | {"Accept": accept, "Accept-Encoding": "gzip, deflate, br"}
    body = {"query": query, "variables": variables, "extensions": extensions}
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session,
        session.post(client.url, json=body, headers=headers) as response,
    ):
        if response.content_type == "application/json":
            raise OperationFailed((await response.json())["errors"])
        yield EventStream(response)


async def complete(client: Client, accept: str, query: str | None, /, **options: Any) -> list[Json]:
    """All results of an operation that completes."""
    async with stream(client, accept, query, **options) as opened:
        results = [result async for result in opened.results()]
        assert opened.completed
    return results

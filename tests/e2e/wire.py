"""HTTP as bytes on a socket, for requests that no client library would send."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from io import BytesIO
from urllib.parse import urlsplit

from tests.client import Json

TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What stood on the socket; ``body`` is as long as Content-Length says."""

    status: int
    headers: HTTPMessage
    body: bytes


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket to the server at ``url``, for `TIMEOUT_S` seconds at most."""
    address = urlsplit(url)
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, _, rest = head.partition(b"\r\n")
    headers = parse_headers(BytesIO(rest))
    return RawAnswer(int(status_line.split()[1]), headers, await reader.readexactly(int(headers["Content-Length"])))


def head(*lines: str, method: str = "POST", path: str = "/graphql") -> bytes:
    """A request's beginning, of JSON unless ``lines`` are other headers."""
    lines = lines or ("Content-Type: application/json",)
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *lines, "", ""]).encode()


async def exchange(url: str, *parts: bytes) -> RawAnswer:
    """What the server answers to these bytes; some of them may never be read."""
    async with connection(url) as (reader, writer):
        sending = asyncio.create_task(_send(writer, parts))
        try:
            return await read_answer(reader)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sending


def assert_refused(answer: RawAnswer, status: int) -> Json:
    """The error of a request that was refused."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    body: Json = json.loads(answer.body)
    [error] = body["errors"]
    assert list(body) == ["errors"]
    assert error["extensions"]["requestId"] == answer.headers["X-Request-ID"]
    found: Json = error
    return found


async def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()

"""A model provider that speaks OpenAI's wire format: one chunk, and one write to the socket, for each token.

`python -m benchmarks.upstream PORT` serves until it is terminated. The last message of a request names the stream;
``GET /times`` tells when the tokens of each stream since the last such question were written.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import httptools
import orjson
import uvloop

from benchmarks.answers import FLAT_OUT, PACED, PACED_HZ, SHORT, TOKENS

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _written(data: bytes) -> bytes:
    """One event, as one chunk of the body."""
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_763_000_000, "model": "mock"}
    return _written(orjson.dumps(chunk | {"choices": choices} | fields))


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


_WRITES = tuple(_chunk(_choice({"content": token})) for token in TOKENS)
_BEGIN = _HEAD + _chunk(_choice({"role": "assistant", "content": ""}))
_USAGE = {"prompt_tokens": 8, "completion_tokens": len(TOKENS), "total_tokens": 8 + len(TOKENS)}
_END = _chunk(_choice({}, "stop")) + _chunk(usage=_USAGE) + _written(b"[DONE]") + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection of a client, which may ask again and again. ``times``: those of all streams, by name."""

    def __init__(self, times: dict[str, list[float]]) -> None:
        self._times = times
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._loop = asyncio.get_running_loop()
        self._speaking: asyncio.Handle = self._loop.call_soon(lambda: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has another base

    def connection_lost(self, _error: Exception | None) -> None:
        self._speaking.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        if self._parser.get_method() == b"GET":
            answer = orjson.dumps(self._times)
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
            self._times.clear()
        else:
            self._speak(orjson.loads(body))

    def _speak(self, request: dict[str, Any]) -> None:
        interval_s = {FLAT_OUT: 0.0, SHORT: 0.0, PACED: 1 / PACED_HZ}[request["model"]]
        writes = _WRITES[:1] if request["model"] == SHORT else _WRITES
        times = self._times[request["messages"][-1]["content"]] = []
        self._transport.write(_BEGIN)
        self._speaking = self._loop.call_soon(self._say, iter(writes), times, self._loop.time(), interval_s)

    def _say(self, writes: Iterator[bytes], times: list[float], due: float, interval_s: float) -> None:
        """The next token, which is due now; all others are said by callbacks of their own, those that come at once too:
        otherwise several would leave in one write. A task for each stream would cost the machine twice as much.
        """
        write = next(writes, None)
        if write is None:
            self._transport.write(_END)
            return
        times.append(time.monotonic())
        self._transport.write(write)
        due += interval_s
        if interval_s:
            self._speaking = self._loop.call_at(due, self._say, writes, times, due, interval_s)
        else:
            self._speaking = self._loop.call_soon(self._say, writes, times, due, interval_s)


async def _serve(port: int) -> None:
    times: dict[str, list[float]] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Connection(times), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))

"""The fake upstream itself: `run_upstream`. It listens where each kind of provider does, below a path per kind."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.upstream.connections import Ports
from tests.upstream.replies import Reply, Signal, failure

EXCHANGE_TIMEOUT_S = 10.0
PATHS = (
    "/v1/chat/completions",
    "/v1/messages",
    "/v1beta/openai/chat/completions",
    "/v1beta/models/{model}:streamGenerateContent",
    "/api/chat",
)


@dataclass(eq=False)
class Exchange:
    """One request and what became of it. Times are of ``time.monotonic``."""

    model: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    # The client's and the server's: another connection may have one of them.
    ports: Ports
    received_at: float = field(default_factory=time.monotonic)
    # Set once all steps of the reply are played.
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    # Set once the client has closed the connection before that.
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None
    # Of the answer, once it has begun.
    status: int | None = None
    writes: int = 0


class Upstream:
    """Handle of a running fake upstream. ``base_url`` ends in ``/v1``, as clients of OpenAI's format want it.

    ``origin`` is the address without a path, below which the others live: Anthropic's ``/v1/messages``, Google's
    ``/v1beta/models/MODEL:streamGenerateContent`` and Ollama's ``/api/chat``.
    """

    def __init__(self) -> None:
        self.origin = ""
        self._replies: dict[str, list[Reply]] = {}
        self._exchanges: dict[str, list[Exchange]] = {}
        self._news = asyncio.Condition()

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def serve(self, *replies: Reply, model: str | None = None) -> str:
        """Answer requests for ``model`` (without it, for a new name) with ``replies`` in turn, the last for good.

        Returns the model's name.
        """
        model = model or f"model-{len(self._replies) + 1}"
        self._replies[model] = list(replies)
        return model

    def exchanges(self, model: str) -> list[Exchange]:
        """The requests for ``model`` so far, oldest first."""
        return self._exchanges.get(model, [])

    async def exchange(self, model: str, number: int = 1) -> Exchange:
        """The request for ``model`` that came as its ``number``-th; awaited for some seconds, then TimeoutError."""
        async with asyncio.timeout(EXCHANGE_TIMEOUT_S), self._news:
            await self._news.wait_for(lambda: len(self.exchanges(model)) >= number)
        return self.exchanges(model)[number - 1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        transport = request.transport
        assert transport is not None
        model = request.match_info.get("model") or body["model"]
        exchange = Exchange(model, body, request.headers, _ports(transport))
        self._exchanges.setdefault(exchange.model, []).append(exchange)
        async with self._news:
            self._news.notify_all()
        try:
            response = await _play(self._next_reply(exchange.model), request, exchange)
        except (asyncio.CancelledError, ConnectionError):
            exchange.closed_at = time.monotonic()
            exchange.closed.set()
            raise
        exchange.answered.set()
        return response

    def _next_reply(self, model: str) -> Reply:
        replies = self._replies.get(model)
        if not replies:
            return failure(404, f"The model {model} does not exist.", kind="invalid_request_error")
        return replies.pop(0) if len(replies) > 1 else replies[0]


def _ports(transport: asyncio.Transport) -> Ports:
    return transport.get_extra_info("peername")[1], transport.get_extra_info("sockname")[1]


async def _play(reply: Reply, request: web.Request, exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(
        status=reply.status, headers={**reply.headers, "Content-Type": reply.content_type, "Keep-Alive": "timeout=5"}
    )
    transport = request.transport
    assert transport is not None
    for step in reply.steps:
        if isinstance(step, bytes):
            if not response.prepared:
                await response.prepare(request)
                exchange.status = reply.status
            if step:
                await response.write(step)
                exchange.writes += 1
        elif step is Signal.CUT:
            transport.close()
            return response
        elif step is Signal.HANG:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(step)
    if reply.close_unannounced:
        await response.write_eof()
        transport.close()
    return response


@asynccontextmanager
async def run_upstream(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Serve on a free port of 127.0.0.1 until the end of the block; with ``tls``, over https://localhost."""
    upstream = Upstream()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    for path in PATHS:
        app.router.add_post(path, upstream.handle)
    # Cancelling the handler when the client hangs up is how a closed connection is noticed in the midst of a silence.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    upstream.origin = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()

"""Streams over HTTP: one response that brings an operation's results as they come, where WebSockets do not reach.

There are two ways to frame the same stream, and the request's Accept header chooses:

- Server-Sent Events: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, in distinct connections mode;
- multipart: https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http import process_result
from strawberry.types import ExecutionResult

from core.errors import SynapseError, Unauthenticated
from resolvers.context import Context
from schema.errors import publish
from schema.scalars import write_json
from services.revocations import rights_lost

# Proxies give up on a connection after a silence of 30 s and more.
HEARTBEAT_S = 12.0
# How long an answer that is under way may take, once its caller may not go on.
LAST_ANSWERS_S = 0.3
_HEADERS = {
    # Nobody on the way may compress the stream, which would hold events back,
    "Cache-Control": "no-cache, no-transform",
    # nor collect it, as nginx does unless told not to.
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Framing:
    """How a stream is written: ``opening``, results and heartbeats in any number, ``closing`` if it is complete."""

    media_type: str
    opening: bytes
    before_result: bytes
    after_result: bytes
    heartbeat: bytes
    closing: bytes

    def result(self, body: bytes) -> bytes:
        """One result; ``body`` is its JSON, in one line."""
        return self.before_result + body + self.after_result


SERVER_SENT_EVENTS = Framing(
    media_type="text/event-stream",
    opening=b":\n\n",
    before_result=b"event: next\ndata: ",
    after_result=b"\n\n",
    heartbeat=b":\n\n",
    closing=b"event: complete\ndata:\n\n",
)
_DELIMITER = b"\r\n--graphql"
_PART = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
# A delimiter ends each part at once: readers take a part for finished only when they see it.
MULTIPART = Framing(
    media_type='multipart/mixed; boundary="graphql"; subscriptionSpec=1.0',
    opening=_DELIMITER,
    before_result=_PART + b'{"payload":',
    after_result=b"}" + _DELIMITER,
    heartbeat=_PART + b"{}" + _DELIMITER,
    closing=b"--\r\n",
)


def framing_for(accept: str) -> Framing | None:
    """The first kind of stream that an Accept header admits and that can be had here."""
    for media_range in accept.lower().replace('"', "").split(","):
        media_type, *parameters = [part.strip() for part in media_range.split(";")]
        if "q=0" in parameters:
            continue
        if media_type == "text/event-stream":
            return SERVER_SENT_EVENTS
        # Others call something else multipart/mixed: results in pieces (deferSpec).
        specs = {parameter for parameter in parameters if "spec=" in parameter}
        if media_type == "multipart/mixed" and specs <= {"subscriptionspec=1.0"}:
            return MULTIPART
    return None


class EventStream(Response):
    """The results of one operation. A subscription (``is_live``) ends early when the client goes, may not go on, or the
    process is told to stop; anything else that has begun is finished, as it is without a stream.

    A stream that the process breaks off is not completed, so clients take it for a lost connection, and resume.
    """

    def __init__(
        self,
        framing: Framing,
        results: AsyncGenerator[ExecutionResult, None],
        context: Context,
        heartbeat_s: float,
        *,
        is_live: bool,
    ) -> None:
        super().__init__(headers=_HEADERS, media_type=framing.media_type)
        del self.headers["content-length"]
        self._framing = framing
        self._results = results
        self._context = context
        self._heartbeat_s = heartbeat_s
        self._is_live = is_live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _write(send, self._framing.opening)
        async with _running(self._send_heartbeats(send)):
            if self._is_live:
                ending = await self._follow(receive, send)
            else:
                await self._send_results(send)
                ending = self._framing.closing
        await send({"type": "http.response.body", "body": ending})

    async def _follow(self, receive: Receive, send: Send) -> bytes:
        """Sends results until something ends the stream, and returns how it ends."""
        async with _running(
            self._send_results(send),
            _revocation(self._context),
            self._context.runtime.stopping.wait(),
            _disconnected(receive),
        ) as tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            results, revocation, *_ = tasks
            if revocation.done():
                await asyncio.wait([results], timeout=LAST_ANSWERS_S)
            if results.done():
                results.result()
                return self._framing.closing
            if revocation.done():
                reason = revocation.result()
                failure = publish(GraphQLError(reason.message, original_error=reason), self._context.request_id)
                return self._frame(ExecutionResult(None, [failure])) + self._framing.closing
            return b""

    async def _send_results(self, send: Send) -> None:
        async with aclosing(self._results) as results:
            async for result in results:
                await _write(send, self._frame(result))

    async def _send_heartbeats(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await _write(send, self._framing.heartbeat)

    def _frame(self, result: ExecutionResult) -> bytes:
        return self._framing.result(write_json(process_result(result)))


@asynccontextmanager
async def _running(*coroutines: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Tasks for the length of the block, at whose end none is left."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _revocation(context: Context) -> SynapseError:
    """Returns why the operation has to end, when the caller may not go on with it; never for an anonymous caller."""
    if context.principal is None:
        await asyncio.Event().wait()
    with context.runtime.revocations.watch(context.require_principal()) as watch:
        try:
            while not context.watched & await watch.lost():
                pass
        except Unauthenticated as error:
            return error
        return rights_lost()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})

"""An id for each request over HTTP, by which a client's report, the log and what a proxy wrote are brought together."""

import re

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ids import new_id

HEADER = "x-request-id"
# Whatever stands in the header is written to logs and sent back, so it is no more than a name.
_SANE = re.compile(r"[A-Za-z0-9._:=+/@-]{1,200}")


class RequestIds:
    """Middleware: takes the id that came in ``x-request-id``, or makes one; logs and the answer carry it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def request_id_of(request: HTTPConnection) -> str:
    """The id that `RequestIds` gave to this request."""
    request_id: str = request.state.request_id
    return request_id

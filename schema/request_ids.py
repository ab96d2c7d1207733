"""An id for each request over HTTP, by which a client's report, the log and what a proxy wrote are brought together."""

import re

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ids import new_id

HEADER = "x-request-id"
_NAME = HEADER.encode()
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
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _NAME), "")
        request_id = given if _SANE.fullmatch(given) else new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [header for header in message.get("headers", ()) if header[0] != _NAME]
                message["headers"] = [*others, (_NAME, request_id.encode("latin-1"))]
            await send(message)

        await self._app(scope, receive, send_with_id)


def request_id_of(request: HTTPConnection) -> str:
    """The id that `RequestIds` gave to this request."""
    request_id: str = request.state.request_id
    return request_id

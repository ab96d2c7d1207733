"""What stands before the endpoint changes nothing but the time."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from schema.middleware import Cors, Straight

ORIGIN = "https://page.example"
Header = tuple[bytes, bytes]


async def varying(request: Request) -> Response:
    """As the URL says."""
    response = PlainTextResponse("said", headers={"X-Other": "1"})
    for value in request.query_params.getlist("vary"):
        response.headers.append("Vary", value)
    return response


async def sent(app: Starlette, method: str, headers: list[Header], query: bytes, path: str = "/") -> list[Message]:
    """What a client is sent, with headers in no order."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers, "root_path": ""}
    await app(scope, receive, send)
    return [{**message, "headers": sorted(message.get("headers", ()))} for message in messages]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("query", [b"", b"vary=Accept", b"vary=Accept&vary=Cookie", b"vary=Origin"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"accept", b"*/*")],
        [(b"origin", ORIGIN.encode())],
        [(b"origin", b"https://other.example")],
        [(b"origin", ORIGIN.encode()), (b"access-control-request-method", b"POST")],
        [(b"access-control-request-method", b"POST")],
    ],
)
@pytest.mark.parametrize("origins", [[ORIGIN], ["*"], []])
async def test_clients_are_told_what_starlette_tells_them(
    method: str, query: bytes, headers: list[Header], origins: list[str]
) -> None:
    routes = [Route("/", varying, methods=["GET", "POST", "OPTIONS"])]
    options: dict[str, Any] = {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["*"],
        "max_age": 60,
    }
    apps = [Starlette(routes=routes, middleware=[Middleware(kind, **options)]) for kind in (CORSMiddleware, Cors)]
    expected, actual = [await sent(app, method, headers, query) for app in apps]
    assert actual == expected


async def test_only_what_is_for_its_path_goes_straight() -> None:
    came: list[str] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        came.append(scope["path"])
        await PlainTextResponse("straight")(scope, receive, send)

    straight = Middleware(Straight, path="/here", endpoint=endpoint)
    app = Starlette(routes=[Route("/other", varying)], middleware=[straight])
    bodies = [(await sent(app, "GET", [], b"", path))[-1]["body"] for path in ("/here", "/other", "/here/", "/hereby")]
    assert bodies[:2] == [b"straight", b"said"]
    assert came == ["/here"]

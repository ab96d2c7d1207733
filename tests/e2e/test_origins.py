"""Pages of other origins: browsers let them use the API, which knows callers by their tokens alone, unless it is told
whose pages may."""

from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from asgi import create_app  # noqa: TID251  # tests compose the application, too
from core.settings import Settings
from tests.servers.app import Server, settings_for
from tests.servers.changes import changed

ORIGIN = {"Origin": "https://shop.example"}


async def test_a_preflight_admits_what_clients_send(server: Server) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.options(f"{server.url}/graphql", headers=ORIGIN | asked) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]


async def test_pages_may_read_answers_and_refusals_but_no_browser_sends_cookies_along(server: Server) -> None:
    for body in (b'{"query": "{ __typename }"}', b"nonsense"):
        answer = await server.client().post(body, **ORIGIN)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "x-request-id"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Accept" in answer.headers["Vary"]


async def test_pages_may_read_streams(server: Server) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{server.url}/graphql",
            json={"query": "{ __typename }"},
            headers=ORIGIN | {"Accept": "text/event-stream"},
        ) as answer,
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Query" in await answer.text()


OURS = "https://app.example"


def test_origins_are_listed_with_commas() -> None:
    settings = Settings(database_url="x", secret_keys="x", allowed_origins=f"{OURS}, http://localhost:3000")  # type: ignore[arg-type]
    assert settings.allowed_origins == (OURS, "http://localhost:3000")


@pytest.mark.parametrize("origin", [OURS, "https://shop.example", "null", "https://app.example.evil", None])
async def test_pages_of_other_origins_than_those_listed_are_refused(server: Server, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    url = f"{server.url}/graphql".replace("http", "ws", 1)
    with changed(server, allowed_origins=(OURS,)):
        answer = await server.client().post(b'{"query": "{ __typename }"}', **headers)
        options: dict[str, Any] = {"subprotocols": ["graphql-transport-ws"], "additional_headers": headers}
        if origin in (OURS, None):
            assert (answer.status, answer.codes) == (200, [])
            async with connect(url, **options):
                pass
        else:
            assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, **options):
                    pass
            assert refused.value.response.status_code == 403


async def test_the_server_s_own_pages_are_no_other_origin(server: Server) -> None:
    with changed(server, allowed_origins=(OURS,)):
        assert (await server.client().post(b'{"query": "{ __typename }"}', Origin=server.url)).status == 200


@pytest.mark.parametrize(("origin", "status", "allowed"), [(OURS, 200, OURS), ("https://shop.example", 400, None)])
async def test_browsers_are_told_so_beforehand(origin: str, status: int, allowed: str | None) -> None:
    app, sent = create_app(settings_for("", allowed_origins=(OURS,)), with_executor=False), []
    headers = [(b"origin", origin.encode()), (b"access-control-request-method", b"POST")]
    scope = {"type": "http", "method": "OPTIONS", "path": "/graphql", "query_string": b"", "headers": headers}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, None, send)  # type: ignore[arg-type]  # nothing is read of it
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert (sent[0]["status"], told.get("access-control-allow-origin")) == (status, allowed)

"""Pages of other origins: browsers let them use the API, which knows callers by their tokens alone."""

import aiohttp

from tests.servers.app import Server

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

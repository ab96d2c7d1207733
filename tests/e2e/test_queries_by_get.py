"""Operations in the URL: queries and subscriptions, and nothing that changes anything."""

import json
from urllib.parse import urlencode

import aiohttp
import pytest

from schema.requests import MAX_URL_QUERY_BYTES
from tests.accounts import SIGN_UP, new_account
from tests.e2e.endpoint import PATH
from tests.e2e.wire import assert_refused, exchange, head
from tests.servers.app import Server

QUERY = 'query ($name: String = "Run") { __type(name: $name) { name } }'


@pytest.mark.parametrize("parameters", [{"variables": '{"name": "Run"}'}, {"variables": ""}, {"operationName": ""}, {}])
async def test_a_query_may_stand_in_the_url(server: Server, parameters: dict[str, str]) -> None:
    answer = await server.client().get({"query": QUERY, **parameters})
    assert answer.data == {"__type": {"name": "Run"}}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "query=",
        "query=%FF",
        "query=%ED%A0%80",
        "query={__typename}&query={__typename}",
        "query={__typename}&variables=x",
        "query={__typename}&variables=[]",
        "query={__typename}&variables=5",
        "query={__typename}&variables={%22a%22:1,%22a%22:2}",
        "query={__typename}&extensions=null5",
        "query={__typename}&operationName=null",
        "query=query%20A{__typename}query%20B{__typename}",
        "query=subscription{runEvents(runId:%22%22){seq}}",
    ],
)
async def test_a_malformed_url_is_the_clients_fault(server: Server, query: str) -> None:
    assert_refused(await exchange(server.url, head(method="GET", path=f"/graphql?{query}")), 400)


async def test_a_url_beyond_the_limit_is_refused(server: Server) -> None:
    query = "query={__typename}%23".ljust(MAX_URL_QUERY_BYTES + 1, "x")
    assert_refused(await exchange(server.url, head(method="GET", path=f"/graphql?{query}")), 414)


async def test_nothing_is_changed_by_a_get(server: Server) -> None:
    parameters = {"query": SIGN_UP, "variables": json.dumps({"input": new_account(email="get@example.com")})}
    answer = await server.client().get(parameters)
    assert (answer.status, answer.codes, answer.headers["Allow"]) == (405, ["VALIDATION_FAILED"], "POST")
    made = await server.client().execute(SIGN_UP, input=new_account(email="get@example.com"))
    assert made["signUp"]["__typename"] == "SessionPayload"


async def test_a_stream_by_get_changes_nothing_either(server: Server) -> None:
    """EventSource, by which browsers read streams, knows no other method."""
    streams = [
        ("subscription { ticks(to: 1) { number } }", '{"data":{"ticks":{"number":1}}}'),
        ("mutation { forbid { __typename } }", "mutations are not allowed"),
    ]
    for query, expected in streams:
        url = f"{server.client(path=PATH).url}?{urlencode({'query': query})}"
        headers = {"Accept": "text/event-stream"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.content_type == "text/event-stream"
            assert expected in await answer.text()

"""The endpoint over HTTP: what it takes, what it refuses, and what it tells of failures."""

import asyncio
import json
import logging
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog

from schema.http import NO_GRAPHIQL
from tests.e2e.endpoint import PATH, SECRET
from tests.event_streams import complete
from tests.servers.app import Server

TYPENAME = b'{"query": "{ __typename }"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b'"x"',
        b"null",
        b"5",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "x"}',
        b'{"query": "{ __typename }", "operationName": 5}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b'{"query": "{ __typename }", "operationName": "Other"}',
        b'{"query": "{ __typename }", "extensions": 5}',
        b'[{"query": "{ __typename }"}]',
        b"[" * 100_000,
        b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"}}",
    ],
    ids=lambda body: repr(body[:60]),
)
async def test_a_malformed_body_is_the_clients_fault(server: Server, body: bytes) -> None:
    answer = await server.client().post(body)
    assert (answer.status, answer.codes) == (400, ["VALIDATION_FAILED"])


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonevil", "multipart/form-data", ""])
async def test_a_body_of_another_type_is_refused(server: Server, content_type: str) -> None:
    answer = await server.client().post(TYPENAME, **{"Content-Type": content_type})
    assert (answer.status, answer.codes) == (415, ["VALIDATION_FAILED"])


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_a_json_body_is_taken(server: Server, content_type: str) -> None:
    assert (await server.client().post(TYPENAME, **{"Content-Type": content_type})).data == {"__typename": "Query"}


async def test_a_body_beyond_the_limit_is_not_even_read(server: Server) -> None:
    url = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000001\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nothing }",
        "query ($a: Int!) { __typename }",
        "{ node(id: 1.5) { id } }",
        "fragment A on B { c }",
    ],
)
async def test_a_document_that_cannot_run_is_told_so(server: Server, query: str) -> None:
    answer = await server.client().send(query)
    assert set(answer.codes) == {"VALIDATION_FAILED"}


async def test_a_subscription_needs_more_than_one_answer(server: Server) -> None:
    answer = await server.client(path=PATH).send("subscription { ticks(to: 1) { number } }")
    assert (answer.status, answer.codes) == (400, ["VALIDATION_FAILED"])


async def test_the_same_wrong_document_gets_a_request_id_of_its_own_each_time(server: Server) -> None:
    answers = [await server.client().send("{ nothing }") for _ in range(2)]
    assert len({answer.errors[0]["extensions"]["requestId"] for answer in answers}) == 2


async def test_an_unexpected_failure_is_masked_and_logged_under_the_same_request_id(server: Server) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await server.client(path=PATH).send("{ crash }")
    [error] = answer.errors
    assert (error["message"], error["extensions"]["code"], error["path"]) == ("Internal error", "INTERNAL", ["crash"])
    assert SECRET not in json.dumps(answer.body)
    [line] = [line for line in logs if line["event"] == "internal_error"]
    assert line["request_id"] == error["extensions"]["requestId"]
    assert SECRET in str(line["exc_info"])


async def test_an_expected_failure_is_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.WARNING):
        answer = await server.client(path=PATH).send("{ refuse }")
    [error] = answer.errors
    assert error["message"] == "Too much."
    assert error["extensions"]["code"] == "VALIDATION_FAILED"
    assert error["extensions"]["path"] == ["input", "amount"]
    assert (logs, caplog.records) == ([], [])


async def test_an_error_is_a_member_of_the_union_where_that_has_one_and_top_level_where_not(server: Server) -> None:
    client = server.client(path=PATH)
    query = "mutation { %s { __typename ... on ForbiddenError { code message path } } }"
    assert (await client.execute(query % "forbid"))["forbid"] == {
        "__typename": "ForbiddenError",
        "code": "FORBIDDEN",
        "message": "Not you.",
        "path": None,
    }
    assert (await client.send(query % "invalidate")).codes == ["VALIDATION_FAILED"]


async def get(url: str, accept: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": accept}) as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_a_browser_gets_a_page_or_is_told_how_to_build_it(server: Server) -> None:
    status, content_type, text = await get(f"{server.url}{PATH}", "text/html,*/*")
    assert (status, content_type, text) == (200, "text/plain", NO_GRAPHIQL)


async def test_get_is_for_browsers_only(server: Server) -> None:
    for url in (f"{server.url}/graphql", f"{server.url}/graphql?query={{__typename}}"):
        status, content_type, text = await get(url, "application/json")
        assert (status, content_type) == (405, "application/json")
        assert json.loads(text)["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"


async def test_introspection_answers(server: Server) -> None:
    data: dict[str, Any] = await server.client().execute("{ __schema { queryType { name } } }")
    assert data["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "multipart/mixed;subscriptionSpec=1.0, */*"])
async def test_who_takes_streams_as_well_gets_one_where_there_are_many_answers(server: Server, accept: str) -> None:
    client = server.client(path=PATH)
    assert (await client.post(b'{"query": "{ __typename }"}', Accept=accept)).data == {"__typename": "Query"}
    [result] = await complete(client, accept, "subscription { ticks(to: 1) { number } }")
    assert result == {"data": {"ticks": {"number": 1}}}

"""The endpoint over HTTP: what it takes, what it refuses, and what it tells of failures."""

import json
import logging
from typing import Any

import aiohttp
import pytest
import structlog

from schema.http import NO_GRAPHIQL
from tests.e2e.endpoint import PATH, SECRET
from tests.event_streams import complete
from tests.servers.app import Server


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
@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), ("application/graphql-response+json", 400)])
async def test_a_document_that_cannot_run_is_told_so(server: Server, query: str, accept: str, status: int) -> None:
    answer = await server.client().post(json.dumps({"query": query}).encode(), Accept=accept)
    assert set(answer.codes) == {"VALIDATION_FAILED"}
    assert (answer.status, "data" in answer.body) == (status, False)


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_an_operation_that_failed_in_part_was_run_all_the_same(server: Server, accept: str) -> None:
    for query, data in (
        ("{ requestId: __typename maybe }", {"requestId": "Query", "maybe": None}),
        ("{ crash }", None),
    ):
        answer = await server.client(path=PATH).post(json.dumps({"query": query}).encode(), Accept=accept)
        assert (answer.status, answer.body["data"], answer.codes) == (200, data, ["INTERNAL"])


async def test_a_client_that_takes_no_answer_of_ours_is_told_so(server: Server) -> None:
    answer = await server.client().post(b'{"query": "{ __typename }"}', Accept="text/plain, image/*")
    assert (answer.status, answer.codes) == (406, ["VALIDATION_FAILED"])


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


async def test_introspection_answers(server: Server) -> None:
    data: dict[str, Any] = await server.client().execute("{ __schema { queryType { name } } }")
    assert data["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "multipart/mixed;subscriptionSpec=1.0, */*"])
async def test_who_takes_streams_as_well_gets_one_where_there_are_many_answers(server: Server, accept: str) -> None:
    client = server.client(path=PATH)
    assert (await client.post(b'{"query": "{ __typename }"}', Accept=accept)).data == {"__typename": "Query"}
    [result] = await complete(client, accept, "subscription { ticks(to: 1) { number } }")
    assert result == {"data": {"ticks": {"number": 1}}}

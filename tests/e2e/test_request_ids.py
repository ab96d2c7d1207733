"""One id per request: in the answer's header, in its errors, and in the log's lines."""

import io
import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest
import structlog

from tests.client import Json
from tests.e2e.endpoint import PATH
from tests.servers.app import Server

TYPENAME = b'{"query": "{ __typename }"}'


@pytest.fixture
def log_lines(server: Server) -> Iterator[io.StringIO]:
    """What the process writes to its log, as it writes it."""
    formatter = next(
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    )
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


async def test_each_answer_has_an_id_of_its_own(server: Server) -> None:
    answers = [await server.client().post(TYPENAME) for _ in range(2)]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 2


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nowhere"])
async def test_other_routes_have_one_too(server: Server, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as answer:
        assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("given", ["f058ebd6-02f7-4d3f-942e-904344e8cde5", "Root=1-67891233-abcdef012345678912345678"])
async def test_the_id_that_a_proxy_gave_is_taken_over(server: Server, given: str) -> None:
    answer = await server.client().post(b'{"query": "{ nothing }"}', **{"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.errors[0]["extensions"]["requestId"] == given


@pytest.mark.parametrize("given", ["", "two words", '{"a": 1}', "é", "x" * 201])
async def test_what_is_no_plain_name_is_replaced(server: Server, given: str) -> None:
    answer = await server.client().post(TYPENAME, **{"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 32


async def test_resolvers_see_it(server: Server) -> None:
    answer = await server.client(path=PATH).send("{ requestId }")
    assert answer.data["requestId"] == answer.headers["X-Request-ID"]


async def test_a_failure_outside_any_operation_is_masked_and_logged_under_it(
    server: Server, log_lines: io.StringIO
) -> None:
    answer = await server.client(path=PATH).send("{ unspeakable }")
    [error] = answer.errors
    assert (answer.status, error["message"], error["extensions"]["code"]) == (500, "Internal error", "INTERNAL")
    lines: list[Json] = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    [line] = [line for line in lines if "surrogates not allowed" in line.get("exception", "")]
    assert line["level"] == "error"
    assert line["request_id"] == error["extensions"]["requestId"] == answer.headers["X-Request-ID"]

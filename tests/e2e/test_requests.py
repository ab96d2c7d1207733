"""Requests over HTTP that are not what they should be: each gets its status, in GraphQL's shape, and nothing else."""

import asyncio
import json
from itertools import repeat

import aiohttp
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema import requests
from schema.requests import MAX_BODY_BYTES
from tests.accounts import sign_up
from tests.client import Json
from tests.e2e.wire import assert_refused, connection, exchange, head, read_answer
from tests.operations import create_agent, start_run
from tests.servers.app import Server

TYPENAME = b'{"query": "{ __typename }"}'
MODEL = "local/smollm2-135m"
# Text of 256 KiB, which takes six times as much room in JSON.
LARGEST_MESSAGE = "\x01" * (256 * 1024)
MALFORMED = [
    b"",
    b"x",
    b" ",
    b'"x"',
    b"null",
    b"5",
    b"true",
    b"[]",
    b"{}",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf" + TYPENAME,
    TYPENAME.decode().encode("utf-16"),
    TYPENAME + b"x",
    TYPENAME[:-1],
    TYPENAME[:-1] + b",}",
    b"{'query': '{ __typename }'}",
    b'{"query": "\xff"}',
    b'{"query": "\xed\xa0\x80"}',
    b'{"query": "\\ud800"}',
    b'{"query": "\x00"}',
    b'{"query": null}',
    b'{"query": ""}',
    b'{"query": 5}',
    b'{"query": ["{ __typename }"]}',
    b'{"query": "{ __typename }", "query": "{ __typename }"}',
    b'{"query": "{ __typename }", "variables": {"a": 1, "\\u0061": 1}}',
    b'{"query": "{ __typename }", "variables": []}',
    b'{"query": "{ __typename }", "variables": "{}"}',
    b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    b'{"query": "{ __typename }", "operationName": 5}',
    b'{"query": "{ __typename }", "operationName": {}}',
    b'{"query": "{ __typename }", "operationName": "Other"}',
    b'{"query": "query A { __typename } query B { __typename }"}',
    b'{"query": "query A { __typename } mutation B { __typename }"}',
    b'{"query": "query A { __typename } query B { __typename }", "operationName": "C"}',
    b'{"query": "{ __typename }", "extensions": 5}',
    b'[{"query": "{ __typename }"}]',
    b"[" * 100_000,
    b'{"query": "{ __typename }", "variables": {"a": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_002,
    b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"}}",
]
WELL_FORMED = {"query": "{ __typename }", "variables": {"a": [1]}, "operationName": None, "extensions": {}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=8,
)
requests_in_json = st.fixed_dictionaries(
    {}, optional={name: st.just(value) | json_values for name, value in WELL_FORMED.items()}
)
bodies = st.binary() | st.builds(lambda value: json.dumps(value).encode(), json_values | requests_in_json)


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:60]))
async def test_a_malformed_body_is_the_clients_fault(server: Server, body: bytes, accept: str) -> None:
    answer = await server.client().post(body, Accept=accept)
    assert (answer.status, answer.codes) == (400, ["VALIDATION_FAILED"])
    assert answer.headers["Content-Type"] == f"{accept}; charset=utf-8"
    assert answer.errors[0]["extensions"]["requestId"] == answer.headers["X-Request-ID"]


async def test_batches_are_refused_in_words(server: Server) -> None:
    answer = await server.client().post(b"[" + TYPENAME + b"]")
    assert answer.errors[0]["message"] == "Batches are not supported: send each operation as a request of its own."


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, accept=st.sampled_from(["*/*", "application/graphql-response+json"]) | st.text("ajnps/;q=*,.01 "))
async def test_whatever_comes_is_answered_in_graphqls_shape(server: Server, body: bytes, accept: str) -> None:
    headers = {"Content-Type": "application/json", "Accept": accept.strip()}
    async with aiohttp.ClientSession() as session, session.post(server.client().url, data=body, headers=headers) as got:
        answer: Json = await got.json()
        assert got.status in (200, 400, 406)
    assert got.status == 200 or "data" not in answer
    assert ("data" in answer) != ("errors" in answer)
    assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"VALIDATION_FAILED"}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/jsonevil",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        ";;;=",
        "json",
    ],
)
async def test_a_body_of_another_type_is_refused(server: Server, content_type: str) -> None:
    answer = await server.client().post(TYPENAME, **{"Content-Type": content_type})
    assert (answer.status, answer.codes) == (415, ["VALIDATION_FAILED"])
    assert answer.headers["Accept"] == "application/json"


async def test_a_body_without_a_type_is_refused(server: Server) -> None:
    length = f"Content-Length: {len(TYPENAME)}"
    assert_refused(await exchange(server.url, head(length), TYPENAME), 415)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", 'Application/JSON ; Charset="utf-8"', "application/json;"],
)
async def test_a_json_body_is_taken(server: Server, content_type: str) -> None:
    assert (await server.client().post(TYPENAME, **{"Content-Type": content_type})).data == {"__typename": "Query"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
async def test_a_compressed_body_is_refused(server: Server, encoding: str) -> None:
    length = f"Content-Length: {len(TYPENAME)}"
    headers = ("Content-Type: application/json", f"Content-Encoding: {encoding}", length)
    answer = await exchange(server.url, head(*headers), TYPENAME)
    assert_refused(answer, 415)
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
async def test_another_method_is_refused(server: Server, method: str) -> None:
    answer = await exchange(server.url, head(method=method))
    assert_refused(answer, 405)
    assert answer.headers["Allow"] == "GET, POST"


async def test_a_body_beyond_the_limit_is_not_even_read(server: Server) -> None:
    too_long = f"Content-Length: {MAX_BODY_BYTES + 1}"
    answer = await exchange(server.url, head("Content-Type: application/json", too_long))
    assert "4,000,000 bytes" in assert_refused(answer, 413)["message"]


async def test_an_endless_body_is_read_to_the_limit_only(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    chunks = repeat(chunk, 10_000)
    chunked = head("Content-Type: application/json", "Transfer-Encoding: chunked")
    assert_refused(await exchange(server.url, chunked, *chunks), 413)


async def test_a_body_at_the_limit_is_taken(server: Server) -> None:
    assert (await server.client().post(TYPENAME.ljust(MAX_BODY_BYTES))).data == {"__typename": "Query"}


async def test_the_largest_message_fits(server: Server) -> None:
    member = await sign_up(server)
    run = await start_run(member, await create_agent(member, MODEL), LARGEST_MESSAGE)
    assert run["status"] == "QUEUED"


async def test_a_body_that_does_not_arrive_in_time_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.1)
    length = f"Content-Length: {len(TYPENAME) + 1}"
    async with connection(server.url) as (reader, writer):
        writer.write(head("Content-Type: application/json", length) + TYPENAME)
        answer = await read_answer(reader)
        assert await reader.read() == b""
    assert assert_refused(answer, 408)["extensions"]["code"] == "TIMED_OUT"


async def test_a_client_that_goes_away_meanwhile_is_no_fault(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        async with connection(server.url) as (_, writer):
            writer.write(head("Content-Type: application/json", "Content-Length: 100", "Expect: 100-continue"))
            writer.write(TYPENAME)
            await writer.drain()
    # Answered behind them, on a connection of its own.
    assert (await server.client().post(TYPENAME)).status == 200
    assert caplog.records == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 10",),
        ("Content-Length: 27", "Content-Length: 28"),
        ("Content-Length: 27", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: x",),
        ("Content-Length: " + "9" * 40,),
        ("Transfer-Encoding: chunked",),
    ],
    ids=str,
)
async def test_a_wrong_length_is_the_clients_fault(server: Server, headers: tuple[str, ...]) -> None:
    """Most of these never get past the HTTP server, whose own answer is plain text."""
    answer = await exchange(server.url, head("Content-Type: application/json", *headers), TYPENAME)
    assert answer.status == 400


SIGN_IN = "mutation ($text: String!) { signIn(input: {email: $text, password: $text}) { __typename } }"
REFRESH = "mutation ($text: String!) { refreshSession(input: {refreshToken: $text}) { __typename } }"
NODE = "query ($text: ID!) { node(id: $text) { id } nodes(ids: [$text]) { id } }"


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "x" * 1_000_000, "\ufffe", "\U0010ffff" * 1000], ids=lambda text: ascii(text[:3])
)
async def test_odd_texts_fail_nothing_inside(server: Server, text: str) -> None:
    with structlog.testing.capture_logs() as logs:
        for operation in (SIGN_IN, REFRESH, NODE):
            answer = await server.client().send(operation, text=text)
            assert answer.status == 200
            assert "INTERNAL" not in answer.codes
    assert [line for line in logs if line["event"] == "internal_error"] == []


async def test_requests_on_one_connection_are_answered_in_turn(server: Server) -> None:
    """A refused body is left out, and the next request is read from where that ended."""
    length = f"Content-Length: {MAX_BODY_BYTES + 1}"
    async with connection(server.url) as (reader, writer):
        writer.write(head("Content-Type: application/json", length))
        assert (await read_answer(reader)).status == 413
        writer.write(b" " * (MAX_BODY_BYTES + 1))
        writer.write(head("Content-Type: application/json", f"Content-Length: {len(TYPENAME)}") + TYPENAME)
        await asyncio.wait_for(writer.drain(), 30)
        assert (await read_answer(reader)).status == 200

"""Documents that come as their hash, over every transport."""

from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import orjson
import pytest

from services.persisted_documents import digest_of
from tests.client import Client, Json
from tests.e2e.endpoint import PATH
from tests.event_streams import SSE, complete
from tests.servers.app import Server

Send = Callable[[Client, Json], Awaitable[Json]]


async def post(client: Client, request: Json) -> Json:
    return (await client.post(orjson.dumps(request))).body


async def server_sent_events(client: Client, request: Json) -> Json:
    [result] = await complete(client, SSE, request.get("query"), extensions=request["extensions"])
    return result


async def multipart(client: Client, request: Json) -> Json:
    [result] = await complete(
        client, "multipart/mixed;subscriptionSpec=1.0", request.get("query"), extensions=request["extensions"]
    )
    return result


async def websocket(client: Client, request: Json) -> Json:
    async with client.connect() as socket:
        await socket.send(id="1", type="subscribe", payload=request)
        message = await socket.receive()
        assert message["id"] == "1"
        if message["type"] == "error":
            return {"errors": message["payload"]}
        assert await socket.receive() == {"id": "1", "type": "complete"}
    return cast(Json, message["payload"])


TRANSPORTS: list[Any] = [post, server_sent_events, multipart, websocket]
everywhere = pytest.mark.parametrize("send", TRANSPORTS)


def request_of(query: str, text: str | None = None, **changes: Any) -> Json:
    """A request for ``query`` by its hash; ``text`` is what is sent along."""
    persisted = {"version": 1, "sha256Hash": digest_of(query)} | changes
    return {"extensions": {"persistedQuery": persisted}} | ({} if text is None else {"query": text})


def codes(answer: Json) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


def new_query() -> str:
    """A document that no test has sent before."""
    return f"query Q{uuid4().hex} {{ __typename }}"


@everywhere
async def test_a_document_is_sent_once_and_its_hash_does_from_then_on(server: Server, send: Send) -> None:
    client, query = server.client(), new_query()
    unknown = await send(client, request_of(query))
    assert [error["message"] for error in unknown["errors"]] == ["PersistedQueryNotFound"]
    assert codes(unknown) == ["PERSISTED_QUERY_NOT_FOUND"]
    assert (await send(client, request_of(query, query)))["data"] == {"__typename": "Query"}
    for other in TRANSPORTS:
        assert (await other(client, request_of(query)))["data"] == {"__typename": "Query"}
        assert (await other(client, request_of(query, "")))["data"] == {"__typename": "Query"}


@everywhere
async def test_a_hash_of_another_text_is_refused_and_nothing_is_kept(server: Server, send: Send) -> None:
    client, query, other = server.client(), new_query(), new_query()
    assert codes(await send(client, request_of(query, other))) == ["VALIDATION_FAILED"]
    assert codes(await send(client, request_of(query))) == ["PERSISTED_QUERY_NOT_FOUND"]


@everywhere
async def test_a_document_that_cannot_run_is_not_kept(server: Server, send: Send) -> None:
    client, query = server.client(), f"query Q{uuid4().hex} {{ nothing }}"
    assert codes(await send(client, request_of(query, query))) == ["VALIDATION_FAILED"]
    assert codes(await send(client, request_of(query))) == ["PERSISTED_QUERY_NOT_FOUND"]


@everywhere
@pytest.mark.parametrize("changes", [{"version": 2}, {"version": "1"}, {"sha256Hash": 5}, {"sha256Hash": None}])
async def test_a_malformed_extension_is_refused(server: Server, send: Send, changes: Json) -> None:
    query = new_query()
    assert codes(await send(server.client(), request_of(query, query, **changes))) == ["VALIDATION_FAILED"]


async def test_a_subscription_by_its_hash_streams(server: Server) -> None:
    client, name = server.client(path=PATH), uuid4().hex
    query = f"subscription S{name} {{ ticks(to: 3) {{ number }} }}"
    await complete(client, SSE, query, extensions=request_of(query)["extensions"])
    results = await complete(client, SSE, None, extensions=request_of(query)["extensions"])
    assert [result["data"]["ticks"]["number"] for result in results] == [1, 2, 3]

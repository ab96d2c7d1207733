"""The endpoint over graphql-transport-ws."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from core import ids
from core.auth import KeyRing
from core.ids import IdPrefix
from models.database import transaction
from models.users import User
from schema.http import CONNECTION_INIT_TIMEOUT
from schema.sockets import MAX_OPERATIONS
from tests.accounts import SIGN_OUT, Member, sign_up
from tests.client import Json, OperationFailed
from tests.e2e.endpoint import IMPATIENT_PATH, PATH, SECRET, begun, ended
from tests.operations import new_key
from tests.servers.app import Server

VIEWER = "{ viewer { id } }"
FLOOD = "subscription ($name: String!) { flood(name: $name) }"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)


async def refusal(server: Server, *messages: object, init: bool = True) -> tuple[int, str]:
    """How the server closes a socket on which these messages came; texts are sent as they are."""
    async with server.client().open() as socket:
        if init:
            await socket.send(type="connection_init")
            await socket.receive()
        for message in messages:
            await socket.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
        async with asyncio.timeout(5):
            return await socket.closed()


@pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_connection_init_says_who_calls_in_any_letter_case(server: Server, key: str) -> None:
    member = await sign_up(server)
    async with server.client().connect({key: f"Bearer {member.access_token}"}) as socket:
        results = [result async for result in socket.stream(VIEWER)]
    assert [result["data"] for result in results] == [{"viewer": {"id": member.user_id}}]


@pytest.mark.parametrize("init", [{}, {"other": 1}, {"Authorization": ""}, {"Authorization": None}])
async def test_without_a_token_the_caller_is_anonymous(server: Server, init: dict[str, Any]) -> None:
    async with server.client().connect(init) as socket:
        assert [result["data"] async for result in socket.stream(VIEWER)] == [{"viewer": None}]


@pytest.mark.parametrize("value", ["Bearer x", "Basic YTpi", "Bearer ", 5, ["Bearer x"], {"a": "b"}])
async def test_a_wrong_token_closes_the_socket_with_the_reason(server: Server, value: Any) -> None:
    message = {"type": "connection_init", "payload": {"Authorization": value}}
    code, reason = await refusal(server, message, init=False)
    assert code == 4403
    assert reason in ("The access token is not valid.", "Authorization must be: Bearer TOKEN.")


async def test_a_signed_out_session_opens_no_socket(server: Server) -> None:
    member = await sign_up(server)
    await member.client.execute(SIGN_OUT)
    message = {"type": "connection_init", "payload": member.client.headers}
    assert await refusal(server, message, init=False) == (4403, "The session has ended.")


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "null",
        "5",
        '"x"',
        "[]",
        "{}",
        b"\x00\x01",
        b'{"type": "ping"}',
        {"type": "nonsense"},
        {"type": "connection_ack"},
        {"type": "next", "id": "1", "payload": {}},
        {"type": "error", "id": "1", "payload": []},
        {"type": "n" * 1000},
        {"type": 5},
        {"type": ["ping"]},
        {"type": "ping", "payload": 5},
        {"type": "complete"},
        {"type": "complete", "id": {}},
        {"type": "subscribe"},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": 5, "payload": {"query": VIEWER}},
        {"type": "subscribe", "id": ["1"], "payload": {"query": VIEWER}},
        {"type": "subscribe", "id": "", "payload": {"query": VIEWER}},
        {"type": "subscribe", "id": "é" * 1000, "payload": {"query": VIEWER}},
        {"type": "subscribe", "id": "1", "payload": None},
        {"type": "subscribe", "id": "1", "payload": {"query": 5}},
        {"type": "subscribe", "id": "1", "payload": {"query": VIEWER, "variables": []}},
        {"type": "subscribe", "id": "1", "payload": {"query": VIEWER, "operationName": 5}},
        {"type": "subscribe", "id": "1", "payload": {"query": VIEWER, "extensions": []}},
        "[" * 100_000,
        '{"type": "ping", "payload": {"a": "\\ud800"}}',
        '{"type": "ping", "payload": {"a": NaN}}',
        '{"type": "ping", "payload": {"a": "\x00"}}',
    ],
    ids=lambda message: str(message)[:60],
)
async def test_a_message_that_is_none_closes_the_socket_in_good_order(server: Server, message: Any) -> None:
    code, reason = await refusal(server, message)
    assert (code, bool(reason)) == (4400, True)


async def test_an_id_in_use_closes_the_socket_in_good_order(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        for _ in range(2):
            await socket.send(id="é" * 128, type="subscribe", payload={"query": "subscription { silence }"})
        assert (await socket.closed())[0] == 4409


async def test_operations_need_connection_init(server: Server) -> None:
    message = {"type": "subscribe", "id": "1", "payload": {"query": VIEWER}}
    assert (await refusal(server, message, init=False))[0] == 4401


async def test_connection_init_comes_once(server: Server) -> None:
    assert (await refusal(server, {"type": "connection_init"}))[0] == 4429


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["mqtt", "graphql-ws"]], ids=str)
async def test_no_other_protocol_is_spoken(server: Server, offered: list[Subprotocol] | None) -> None:
    async with connect(f"{server.url}/graphql".replace("http", "ws", 1), subprotocols=offered) as connection:
        await connection.wait_closed()
        assert connection.close_code == 4406


async def test_of_several_protocols_ours_is_taken(server: Server) -> None:
    offered = [Subprotocol("graphql-ws"), Subprotocol("graphql-transport-ws")]
    async with connect(f"{server.url}/graphql".replace("http", "ws", 1), subprotocols=offered) as connection:
        assert connection.subprotocol == "graphql-transport-ws"


async def test_who_does_not_say_connection_init_in_time_is_sent_away(server: Server) -> None:
    assert timedelta(seconds=10) == CONNECTION_INIT_TIMEOUT
    async with server.client(path=IMPATIENT_PATH).open() as socket:
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        assert (await socket.closed())[0] == 4408


@pytest.mark.parametrize("payload", [None, {}, {"a": [1, None, "é\x00"]}], ids=str)
async def test_a_ping_is_answered_with_its_payload_at_any_time(server: Server, payload: Json | None) -> None:
    ping: Json = {"type": "ping"} if payload is None else {"type": "ping", "payload": payload}
    pong = ping | {"type": "pong"}
    async with server.client().open() as socket:
        await socket.send(**ping)
        assert await socket.receive() == pong
        await socket.send(type="connection_init")
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.send(**ping)
        assert await socket.receive() == pong


async def test_what_needs_no_answer_gets_none(server: Server) -> None:
    async with server.client().connect() as socket:
        await socket.send(type="pong", payload={"a": 1})
        await socket.send(type="complete", id="nothing")
        assert [result["data"] async for result in socket.stream(VIEWER)] == [{"viewer": None}]


async def test_an_id_can_be_used_again_right_after_its_completion(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        for number in range(1, 20):
            await socket.send(id="1", type="subscribe", payload={"query": "subscription { silence }"})
            await socket.send(id="1", type="complete")
            query = f"subscription {{ ticks(to: {number}) {{ number }} }}"
            await socket.send(id="1", type="subscribe", payload={"query": query})
            answers = [await socket.receive() for _ in range(number + 1)]
            assert [answer["type"] for answer in answers] == ["next"] * number + ["complete"]


async def test_complete_stops_a_query_and_a_subscription(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        for query in ("query ($name: String!) { wait(name: $name) }", FLOOD):
            name = new_key()
            id = await socket.subscribe(query, name=name)
            await asyncio.sleep(0.1)
            await socket.send(id=id, type="complete")
            await until(lambda: name in ended)  # noqa: B023  # it is awaited right here
        # Who has not read all that lies ready can't close in good order.
        socket.connection.transport.abort()


@pytest.mark.parametrize("leave", ["complete", "close"])
async def test_a_mutation_is_finished_though_its_client_no_longer_waits(server: Server, leave: str) -> None:
    name = new_key()
    async with server.client(path=PATH).connect() as socket:
        id = await socket.subscribe("mutation ($name: String!) { work(name: $name) { ok } }", name=name)
        await until(lambda: name in begun)
        if leave == "complete":
            await socket.send(id=id, type="complete")
            assert [result async for result in socket.stream("{ requestId }")], "its answer comes no more"
    await until(lambda: name in ended)


async def test_a_socket_carries_so_many_operations_and_refuses_the_next(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        ids = [await socket.subscribe("subscription { silence }") for _ in range(MAX_OPERATIONS)]
        with pytest.raises(OperationFailed) as refused:
            [result async for result in socket.stream("{ requestId }")]
        assert refused.value.errors[0]["extensions"]["code"] == "RATE_LIMITED"
        await socket.send(id=ids[0], type="complete")
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        assert [result async for result in socket.stream("{ requestId }")]


async def test_an_answer_that_cannot_be_written_fails_alone(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        with pytest.raises(OperationFailed) as failed:
            [result async for result in socket.stream("{ huge }")]
        assert failed.value.errors[0]["extensions"]["code"] == "INTERNAL"
        assert [result async for result in socket.stream("{ requestId }")]


async def test_a_document_that_cannot_run_fails_alone(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        running = await socket.subscribe("subscription { silence }")
        for document in ("{", "{ nothing }", "{" * 1000):
            operation = await socket.subscribe(document)
            message = await socket.receive()
            assert (message["id"], message["type"]) == (operation, "error")
            assert message["payload"][0]["extensions"]["code"] == "VALIDATION_FAILED"
        await socket.send(id=running, type="complete")
        assert [result async for result in socket.stream("subscription { ticks(to: 1) { number } }")]


async def test_a_subscription_yields_and_completes(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        numbers = [
            result["data"]["ticks"]["number"]
            async for result in socket.stream("subscription { ticks(to: 1000) { number } }")
        ]
    assert numbers == list(range(1, 1001))


@pytest.mark.parametrize("after", [0, 2])
async def test_a_refused_subscription_says_why_and_completes(server: Server, after: int) -> None:
    async with server.client(path=PATH).connect() as socket:
        results = [
            result
            async for result in socket.stream("subscription ($after: Int!) { refuse(after: $after) }", after=after)
        ]
    assert len(results) == after + 1
    [error] = results[-1]["errors"]
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("VALIDATION_FAILED", ["after"])


async def test_a_subscription_that_crashes_is_masked(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        results = [result async for result in socket.stream("subscription { crash }")]
    assert results[-1]["errors"][0]["message"] == "Internal error"
    assert results[-1]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in json.dumps(results)


async def test_each_operation_on_a_socket_has_a_context_of_its_own(server: Server) -> None:
    member = await sign_up(server, name="Before")
    async with server.client(member.access_token, PATH).connect() as socket:
        query = "{ requestId name }"
        [first] = [result["data"] async for result in socket.stream(query)]
        user_id = ids.decode(IdPrefix.USER, member.user_id)
        async with transaction(user_id=user_id):
            await User.filter(id=user_id).update(name="After")
        [second] = [result["data"] async for result in socket.stream(query)]
    assert (first["name"], second["name"]) == ("Before", "After")
    assert first["requestId"] != second["requestId"]


async def test_a_workspace_made_on_a_socket_is_seen_on_it(server: Server) -> None:
    member = await sign_up(server)
    create = 'mutation { createWorkspace(input: {name: "New"}) { ... on CreateWorkspacePayload { workspace { id } } } }'
    async with member.client.connect() as socket:
        [made] = [result["data"] async for result in socket.stream(create)]
        workspace = made["createWorkspace"]["workspace"]
        query = "query ($id: ID) { workspace(id: $id) { id } }"
        [seen] = [result["data"] async for result in socket.stream(query, id=workspace["id"])]
    assert seen == {"workspace": workspace}


async def watched(server: Server, member: Member) -> tuple[list[Any], tuple[int, str], float]:
    """Watches in silence, and signs out elsewhere: the operation's end, the socket's end, and the seconds it took."""
    async with server.client(member.access_token, PATH).connect() as socket:
        await socket.subscribe("subscription { silence }")
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await member.client.execute(SIGN_OUT)
        message = await socket.receive()
        closed = await socket.closed()
        return message["payload"], closed, asyncio.get_running_loop().time() - began


async def test_signing_out_ends_live_subscriptions_within_a_second_with_the_reason(server: Server) -> None:
    [error], closed, seconds = await watched(server, await sign_up(server))
    assert (error["message"], error["extensions"]["code"]) == ("The session has ended.", "UNAUTHENTICATED")
    assert closed == (4403, "The session has ended.")
    assert seconds < 1


async def test_signing_out_on_the_socket_itself_is_answered(server: Server) -> None:
    member = await sign_up(server)
    async with member.client.connect() as socket:
        [answer] = [result async for result in socket.stream(SIGN_OUT)]
        assert answer["data"]["signOut"]["userId"] == member.user_id
        assert await socket.closed() == (4403, "The session has ended.")


async def test_a_socket_ends_when_its_access_token_expires(server: Server) -> None:
    keys: KeyRing = server.app.state.runtime.keys
    member = await sign_up(server)
    claims = keys.verify_access_token(member.access_token)
    token, expires_at = keys.issue_access_token(claims.user_id, claims.session_id, timedelta(seconds=2))
    async with server.client(token, PATH).connect() as socket:
        with pytest.raises(OperationFailed) as failed:
            [result async for result in socket.stream("subscription { silence }")]
        assert failed.value.errors[0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await socket.closed() == (4403, "The access token has expired.")
    assert timedelta(0) < datetime.now(UTC) - expires_at < timedelta(seconds=1)


async def test_a_page_of_any_origin_may_connect_since_tokens_and_not_cookies_say_who_calls(server: Server) -> None:
    url = f"{server.url}/graphql".replace("http", "ws", 1)
    try:
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], origin="https://shop.example"):  # type: ignore[arg-type]
            pass
    except InvalidStatus:
        pytest.fail("refused")

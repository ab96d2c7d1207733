"""What operations may cost and how long they may take, over every transport, and how many sockets there may be."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.accounts import sign_up
from tests.client import Client, OperationFailed
from tests.e2e.endpoint import PATH, PUSHED, TAKEN, ended
from tests.event_streams import SSE, complete
from tests.servers.app import Server
from tests.servers.changes import changed

PAGE = "query ($first: Int) { viewer { memberships { workspace { agents(first: $first) { nodes { id } } } } } }"
GRAPHQL_RESPONSE = "application/graphql-response+json"


async def test_answers_say_what_they_cost_and_what_is_left(server: Server) -> None:
    member = await sign_up(server)
    with changed(server, caller_burst_cost=1000, caller_cost_per_second=1, operation_max_cost=1000):
        first, second = [await member.client.send(PAGE, first=20) for _ in range(2)]
        costs = [answer.body["extensions"]["cost"] for answer in (first, second)]
        assert [cost["requested"] for cost in costs] == [232, 232]
        assert costs[0] == {"requested": 232, "remaining": 768, "restorePerSecond": 1}
        assert 536 <= costs[1]["remaining"] < 768
        [streamed] = await complete(member.client, SSE, "{ viewer { id } }")
        async with member.client.connect() as socket:
            [sent] = [result async for result in socket.stream("{ viewer { id } }")]
        assert [result["extensions"]["cost"]["requested"] for result in (streamed, sent)] == [2, 2]


async def test_a_query_that_is_executed_again_as_its_caller_has_other_rights_now_is_paid_once(server: Server) -> None:
    member = await sign_up(server)
    make = 'mutation { createWorkspace(input: {name: "B"}) { __typename } }'
    with changed(server, caller_burst_cost=10_000, caller_cost_per_second=1, operation_max_cost=1000):
        await member.client.send(PAGE, first=20)
        made, asked = await member.client.send(make), await member.client.send(PAGE, first=20)
    assert len(asked.body["data"]["viewer"]["memberships"]) == 2
    before, after = [answer.body["extensions"]["cost"]["remaining"] for answer in (made, asked)]
    assert before - 232 <= after < before


async def test_events_of_a_subscription_say_nothing_of_costs(server: Server) -> None:
    async with server.client(path=PATH).connect() as socket:
        events = [event async for event in socket.stream("subscription { ticks(to: 2) { number } }")]
    assert events == [{"data": {"ticks": {"number": number}}} for number in (1, 2)]


async def test_an_operation_over_the_limit_is_told_how_far(server: Server) -> None:
    member = await sign_up(server)
    with changed(server, operation_max_cost=500):
        answer = await member.client.send(PAGE, first=100)
        [error] = answer.errors
        wanted = {"code": "COST_EXCEEDED", "measure": "cost", "limit": 500, "actual": 1032}
        assert {name: error["extensions"][name] for name in wanted} == wanted
        assert "smaller pages" in error["message"]
        assert "data" not in answer.body
        assert (await member.client.send(PAGE, first=40)).codes == []
        [streamed] = await complete(member.client, SSE, PAGE, first=100)
        assert streamed["errors"][0]["extensions"]["code"] == "COST_EXCEEDED"
        async with member.client.connect() as socket:
            with pytest.raises(OperationFailed, match="COST_EXCEEDED"):
                _ = [result async for result in socket.stream(PAGE, first=100)]
            assert [result["data"] async for result in socket.stream(PAGE, first=1)]


async def test_who_spent_it_all_is_told_when_there_is_enough_again_and_others_go_on(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    with changed(server, caller_burst_cost=300, caller_cost_per_second=1, operation_max_cost=300):
        assert (await member.client.send(PAGE, first=20)).codes == []
        refused = await member.client.send(PAGE, first=20)
        assert refused.codes == ["RATE_LIMITED"]
        assert 100_000 < refused.errors[0]["extensions"]["retryAfterMs"] <= 164_000
        body = json.dumps({"query": PAGE, "variables": {"first": 20}}).encode()
        newer = await member.client.post(body, Accept=GRAPHQL_RESPONSE)
        assert newer.status == 429
        assert 100 < int(newer.headers["Retry-After"]) <= 164
        async with member.client.connect() as socket:
            with pytest.raises(OperationFailed, match="RATE_LIMITED"):
                _ = [result async for result in socket.stream(PAGE, first=20)]
        assert (await other.client.send(PAGE, first=20)).codes == []


async def test_strangers_share_what_their_address_has(server: Server) -> None:
    # The loopback interface is the proxy that is believed unless another one is named.
    here, there = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    body = json.dumps({"query": PAGE, "variables": {"first": 5}}).encode()
    with changed(server, caller_burst_cost=100, caller_cost_per_second=1, operation_max_cost=100):
        assert (await server.client().post(body, **here)).codes == []
        assert (await server.client().post(body, **here)).codes == ["RATE_LIMITED"]
        assert (await server.client().post(body, **there)).codes == []


async def test_a_query_may_take_so_long(server: Server) -> None:
    client, name = server.client(path=PATH), uuid4().hex
    query = f'{{ wait(name: "{name}") }}'
    with changed(server, operation_timeout_s=0.1):
        answer = await client.send(query)
        assert answer.codes == ["TIMED_OUT"]
        assert answer.errors[0]["extensions"]["limit"] == 100
        assert name in ended, "what it did has ended"
        async with client.connect() as socket:
            with pytest.raises(OperationFailed, match="TIMED_OUT"):
                _ = [result async for result in socket.stream(query)]


async def test_a_mutation_that_takes_too_long_goes_on(server: Server) -> None:
    client, name = server.client(path=PATH), uuid4().hex
    with changed(server, operation_timeout_s=0.1):
        answer = await client.send(f'mutation {{ take(of: "{name}") }}')
    assert answer.codes == ["TIMED_OUT"]
    assert "goes on" in answer.errors[0]["message"]
    PUSHED[name].put_nowait(5)
    async with asyncio.timeout(30):
        while name not in TAKEN:  # noqa: ASYNC110  # the server's own task
            await asyncio.sleep(0.01)
    assert TAKEN[name] == 5


async def test_a_subscription_may_take_as_long_as_it_likes(server: Server) -> None:
    name = uuid4().hex
    with changed(server, operation_timeout_s=0.05):
        async with server.client(path=PATH).connect() as socket:
            await socket.subscribe(f'subscription {{ pushed(to: "{name}") }}')
            async with asyncio.timeout(30):
                while name not in PUSHED:  # noqa: ASYNC110  # the server's own task
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            PUSHED[name].put_nowait(1)
            assert (await socket.receive())["payload"] == {"data": {"pushed": 1}}


async def refusal(client: Client) -> tuple[int, str] | None:
    """How a new socket is closed once it has said who opens it; None where it is welcome."""
    async with client.open() as socket:
        await socket.send(type="connection_init", payload=client.headers)
        try:
            await socket.receive()
        except ConnectionClosed:
            return await socket.closed()
    return None


async def test_a_user_may_have_so_many_sockets(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    with changed(server, sockets_per_user=2):
        async with member.client.connect():
            async with member.client.connect():
                assert await refusal(member.client) == (4429, "A user may have 2 sockets")
                assert await refusal(other.client) is None
            async with asyncio.timeout(30):
                while await refusal(member.client):  # noqa: ASYNC110  # the server's own task
                    await asyncio.sleep(0.01)


async def test_an_address_may_have_so_many_sockets(server: Server) -> None:
    url = f"{server.url}/graphql".replace("http", "ws", 1)
    options: dict[str, Any] = {
        "subprotocols": ["graphql-transport-ws"],
        "additional_headers": {"X-Forwarded-For": "192.0.2.3"},
    }

    async def refused() -> bool:
        async with connect(url, **options) as socket:
            try:
                await socket.send(json.dumps({"type": "connection_init"}))
                await socket.recv()
            except ConnectionClosed:
                assert (socket.close_code, socket.close_reason) == (4429, "An address may have 1 sockets")
                return True
        return False

    with changed(server, sockets_per_address=1):
        async with connect(url, **options):
            assert await refused()
            async with server.client().connect():
                pass  # Others are not concerned.
        async with asyncio.timeout(30):
            while await refused():  # noqa: ASYNC110  # the server's own task
                await asyncio.sleep(0.01)

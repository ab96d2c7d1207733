"""Bombs are refused before they cost much, and nobody else notices.

The aim is 50 ms of the event loop for each, and 200 ms for others' pings. What is asserted leaves room for machines
that are slow or busy; the figures themselves are written to standard output.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schema.documents import Documents, InvalidDocument
from schema.schema import schema
from tests.accounts import Member, sign_up
from tests.client import Socket
from tests.security.bombs import DOCUMENTS, bodies, body_of, codes_of
from tests.servers.process import ServerProcess

ROOM = 10
BOMB_S = 0.05
PING_S = 0.2
CODES = {"COST_EXCEEDED", "VALIDATION_FAILED"}


@pytest.fixture(scope="module")
async def member(executing: ServerProcess) -> Member:
    return await sign_up(executing)


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_judged_quickly(text: str) -> None:
    documents, took_s = Documents(schema._schema), []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        try:
            document = documents.get(text)
        except InvalidDocument:
            pass
        else:
            assert document.measure(document.operations[0], {}).cost > 50_000
        took_s.append(time.process_time() - began)
        if min(took_s) < BOMB_S:
            break
    sys.stdout.write(f"{min(took_s) * 1000:.1f} ms of CPU\n")
    assert min(took_s) < BOMB_S * ROOM


class Pinger:
    """A socket that pings all the time; ``slowest_s`` is the longest that an answer took."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.slowest_s = 0.0
        self.answered = 0

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            await self._socket.send(type="ping")
            assert await self._socket.receive() == {"type": "pong"}
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.answered += 1
            await asyncio.sleep(0.001)


@asynccontextmanager
async def pinging(server: ServerProcess) -> AsyncIterator[Pinger]:
    async with server.client().connect() as socket:
        pinger = Pinger(socket)
        task = asyncio.create_task(pinger.run())
        try:
            yield pinger
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_nobody_waits_for_documents_of_others(executing: ServerProcess, member: Member) -> None:
    async with pinging(executing) as pinger:
        for name, text in DOCUMENTS.items():
            for client in (member.client, executing.client()):
                answer = await client.post(body_of(text))
                assert codes_of(answer.body) <= CODES, name
        async with member.client.connect() as socket:
            for name, text in DOCUMENTS.items():
                await socket.send(id=name, type="subscribe", payload={"query": text})
                refused = await socket.receive()
                assert (refused["id"], refused["type"]) == (name, "error")
                assert codes_of({"errors": refused["payload"]}) <= CODES
    sys.stdout.write(f"slowest of {pinger.answered} pings: {pinger.slowest_s * 1000:.0f} ms\n")
    assert pinger.answered > 10
    assert pinger.slowest_s < PING_S * ROOM


async def test_nobody_waits_for_bodies_of_others(executing: ServerProcess, member: Member) -> None:
    async with pinging(executing) as pinger:
        for name, body in bodies().items():
            answer = await member.client.post(body)
            assert answer.status in (400, 413), name
            assert codes_of(answer.body) == {"VALIDATION_FAILED"}
    sys.stdout.write(f"slowest of {pinger.answered} pings: {pinger.slowest_s * 1000:.0f} ms\n")
    assert pinger.slowest_s < PING_S * ROOM


async def test_a_socket_takes_no_such_message(executing: ServerProcess) -> None:
    payload = bodies()["4 MB of empty lists"].decode()
    async with pinging(executing) as pinger, executing.client().connect() as socket:
        await socket.connection.send(f'{{"id": "1", "type": "subscribe", "payload": {payload}}}')
        assert (await socket.closed())[0] == 4400
    assert pinger.slowest_s < PING_S * ROOM


async def test_a_text_full_of_commas_is_one_value(member: Member) -> None:
    body = {"query": "query ($v: String!) { __type(name: $v) { name } }", "variables": {"v": ",[{" * 50_000}}
    assert (await member.client.post(json.dumps(body).encode())).data == {"__type": None}

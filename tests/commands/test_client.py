"""The command line's own client, against a peer that speaks graphql-transport-ws and breaks off on purpose."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from commands.client import GraphQLClient
from commands.terminal import CommandFailed
from commands.transcripts import follow

TEXT = "one two three four"
EVENTS = [
    {"__typename": "TextDelta", "seq": seq, "stepId": "step_1", "text": text}
    for seq, text in enumerate(["one ", "two ", "three ", "four"], start=1)
] + [{"__typename": "RunFinished", "seq": 5, "textSha256": hashlib.sha256(TEXT.encode()).hexdigest()}]

Answer = Callable[[ServerConnection, int], Coroutine[Any, Any, None]]


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[str]:
    """A server that completes the handshake, and leaves the subscription, from its cursor on, to ``answer``."""

    async def speak(socket: ServerConnection) -> None:
        assert json.loads(await socket.recv()) == {"type": "connection_init", "payload": {"Authorization": "Bearer me"}}
        await socket.send(json.dumps({"type": "ping"}))
        await socket.send(json.dumps({"type": "connection_ack"}))
        assert json.loads(await socket.recv()) == {"type": "pong"}
        subscribe = json.loads(await socket.recv())
        await answer(socket, subscribe["payload"]["variables"]["after"])

    async with serve(speak, "127.0.0.1", 0, subprotocols=[Subprotocol("graphql-transport-ws")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def send(socket: ServerConnection, event: dict[str, Any]) -> None:
    await socket.send(json.dumps({"id": "1", "type": "next", "payload": {"data": {"runEvents": event}}}))


async def test_following_a_run_goes_on_after_the_last_event_when_the_connection_breaks() -> None:
    cursors = []

    async def answer_two_at_a_time(socket: ServerConnection, after: int) -> None:
        cursors.append(after)
        for event in EVENTS[after : after + 2]:
            await send(socket, event)
        if after + 2 < len(EVENTS):
            await socket.close(1012, "restarting")
        else:
            await socket.send(json.dumps({"id": "1", "type": "complete"}))

    seen: list[int] = []
    async with peer(answer_two_at_a_time) as address, GraphQLClient(address) as client:
        client.token = "me"
        transcript = await follow(client, "run_1", lambda event: seen.append(event["seq"]))
    assert cursors == [0, 2, 4]
    assert seen == [1, 2, 3, 4, 5]
    assert transcript.is_complete


async def test_a_refusal_is_not_tried_again() -> None:
    cursors = []

    async def refuse(socket: ServerConnection, after: int) -> None:
        cursors.append(after)
        await socket.close(4401, "Unauthorized")

    async with peer(refuse) as address, GraphQLClient(address) as client:
        client.token = "me"
        with pytest.raises(CommandFailed, match="4401"):
            await follow(client, "run_1", lambda event: None)
    assert cursors == [0]

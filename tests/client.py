"""A small GraphQL client: POST, and graphql-transport-ws."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast
from uuid import uuid4

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Json:
        """The data of an operation in which nothing failed."""
        assert "errors" not in self.body, self.body["errors"]
        return cast(Json, self.body["data"])

    @property
    def errors(self) -> list[Json]:
        return cast(list[Json], self.body.get("errors", []))

    @property
    def codes(self) -> list[str]:
        """The codes of the top-level errors."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to the endpoint at ``url``, as the owner of ``token`` where there is one."""

    url: str
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def send(self, query: str, /, **variables: Any) -> Answer:
        """Run a query or mutation over HTTP."""
        return await self.post(json.dumps({"query": query, "variables": variables}).encode())

    async def execute(self, query: str, /, **variables: Any) -> Json:
        """As ``send``, for an operation in which nothing fails: its data."""
        return (await self.send(query, **variables)).data

    async def post(self, body: bytes, **headers: str) -> Answer:
        """Send ``body`` as it is."""
        sent = {"Content-Type": "application/json"} | self.headers | headers
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=BytesIO(body), headers=sent) as response,
        ):
            return Answer(response.status, await response.json(), response.headers)

    async def get(self, parameters: Mapping[str, str], **headers: str) -> Answer:
        """Run a query that stands in the URL."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url, params=parameters, headers=self.headers | headers) as response,
        ):
            return Answer(response.status, await response.json(), response.headers)

    @asynccontextmanager
    async def connect(self, init: Json | None = None) -> AsyncIterator["Socket"]:
        """An acknowledged socket; ``init`` is connection_init's payload instead of our token."""
        async with self.open() as socket:
            await socket.send(type="connection_init", payload=self.headers if init is None else init)
            assert await socket.receive() == {"type": "connection_ack"}
            yield socket

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Socket"]:
        """A socket on which nothing was said yet."""
        url = self.url.replace("http", "ws", 1)
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], ping_interval=None) as connection:
            yield Socket(connection)


class Socket:
    """An open WebSocket, one operation at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> Json:
        """The next message.

        Raises:
            websockets.ConnectionClosed: with the server's code and reason.
        """
        return cast(Json, json.loads(await self.connection.recv()))

    async def subscribe(self, query: str, /, **variables: Any) -> str:
        """Start an operation; its id."""
        operation_id = str(uuid4())
        await self.send(id=operation_id, type="subscribe", payload={"query": query, "variables": variables})
        return operation_id

    async def stream(self, query: str, /, **variables: Any) -> AsyncIterator[Json]:
        """The payloads of an operation's results, until it completes.

        Raises:
            OperationFailed: an ``error`` message came.
        """
        operation_id = await self.subscribe(query, **variables)
        while (message := await self.receive())["type"] == "next":
            assert message["id"] == operation_id
            yield message["payload"]
        if message["type"] == "error":
            raise OperationFailed(message["payload"])

    async def closed(self) -> tuple[int, str]:
        """Waits until the server closes; its code and reason."""
        await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


class OperationFailed(Exception):
    """An operation over a WebSocket did not begin; ``errors`` says why."""

    def __init__(self, errors: list[Json]) -> None:
        super().__init__(errors)
        self.errors = errors

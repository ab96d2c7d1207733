"""Many operations at once, and what their answers give away."""

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from core.ids import IdPrefix
from tests.client import Client, Json, Socket
from tests.security.places import walk

# Below what a socket carries.
AT_ONCE = 40
PATIENCE_S = 60
_ID = re.compile(rf"\b(?:{'|'.join(IdPrefix)})_[0-9a-hjkmnp-tv-z]{{26}}\b")


@dataclass(frozen=True, slots=True)
class Document:
    """An operation to send."""

    text: str
    variables: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """All that came of an operation: the payloads of its results, or the errors that kept it from beginning."""

    payloads: list[Any]

    @property
    def text(self) -> str:
        """The same as JSON, without what is new at each request."""
        text = re.sub(r'"requestId": "\w+"', '"requestId": ""', json.dumps(self.payloads, sort_keys=True))
        return re.sub(r'"remaining": \d+', '"remaining": 0', text)

    @property
    def data(self) -> Json:
        """The data of the only payload."""
        [payload] = self.payloads
        data: Json = payload["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of top-level errors, wherever they stand."""
        errors = [error for payload in self.payloads for error in payload.get("errors") or []]
        return [error["extensions"]["code"] for error in errors]

    def named_ids(self) -> dict[str, set[str]]:
        """The ids that stand in fields, by ``Type.field``."""
        found: dict[str, set[str]] = {}

        def visit(type_name: str, name: str, value: Any) -> None:
            if isinstance(value, str) and _ID.fullmatch(value):
                found.setdefault(f"{type_name}.{name}", set()).add(value)

        walk(self.payloads, visit)
        return found

    def cursors(self) -> dict[str, set[str]]:
        """The cursors of edges, by the type of the connection."""
        found: dict[str, set[str]] = {}

        def visit(type_name: str, name: str, value: Any) -> None:
            if name == "cursor":
                found.setdefault(type_name.removesuffix("Edge") + "Connection", set()).add(value)

        walk(self.payloads, visit)
        return found


def ids_in(text: str) -> set[str]:
    """All ids that stand anywhere in a text."""
    return set(_ID.findall(text))


class Wire(ABC):
    """Sends operations, many at once."""

    def __init__(self) -> None:
        self._window = asyncio.Semaphore(AT_ONCE)

    async def send_all(self, documents: Sequence[Document]) -> list[Reply]:
        """All that comes of operations that end by themselves, in their order."""
        async with asyncio.timeout(PATIENCE_S):
            return list(await asyncio.gather(*(self._send_in_turn(document) for document in documents)))

    async def _send_in_turn(self, document: Document) -> Reply:
        async with self._window:
            return await self.send(document)

    @abstractmethod
    async def send(self, document: Document) -> Reply:
        """All that comes of an operation that ends by itself."""


class SocketWire(Wire):
    """Over one WebSocket."""

    def __init__(self, socket: Socket) -> None:
        super().__init__()
        self._socket = socket
        self._ids = count(1)
        self._under_way: dict[str, tuple[list[Any], asyncio.Future[Reply]]] = {}

    async def send(self, document: Document) -> Reply:
        id, reply = str(next(self._ids)), asyncio.get_running_loop().create_future()
        self._under_way[id] = ([], reply)
        payload = {"query": document.text, "variables": document.variables}
        await self._socket.send(id=id, type="subscribe", payload=payload)
        received: Reply = await reply
        return received

    async def receive(self) -> None:
        """Takes in what the server sends, until the socket closes."""
        while True:
            message = await self._socket.receive()
            payloads, reply = self._under_way[message["id"]]
            if message["type"] == "next":
                payloads.append(message["payload"])
                continue
            if message["type"] == "error":
                payloads.append({"errors": message["payload"]})
            reply.set_result(Reply(payloads))


@asynccontextmanager
async def wire(client: Client) -> AsyncIterator[Wire]:
    async with client.connect() as socket:
        opened = SocketWire(socket)
        receiving = asyncio.create_task(opened.receive())
        try:
            yield opened
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])


class HttpWire(Wire):
    """Over HTTP, each by itself."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    async def send(self, document: Document) -> Reply:
        return Reply([(await self._client.send(document.text, **document.variables)).body])


@asynccontextmanager
async def http(client: Client) -> AsyncIterator[Wire]:
    yield HttpWire(client)

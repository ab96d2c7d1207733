"""Readers of runs, who come back after whatever happens and go on where they were."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from tests.client import Json, OperationFailed, Socket
from tests.operations import RUN_EVENTS
from tests.servers.app import Address

DROPPED = "dropped by the reader"


class Reader:
    """Follows one run, with the number of the last event that it has as its cursor.

    ``leaves_after``: at these numbers it drops its connection. ``errors``: what it saw that a connected client of a
    healthy system does not see, by kind.
    """

    def __init__(
        self, address: Callable[[], Address], token: str, run_id: str, rng: Random, leaves_after: Sequence[int] = ()
    ) -> None:
        self.run_id = run_id
        self.events: list[Json] = []
        self.gaps: list[str] = []
        self.errors: Counter[str] = Counter()
        self.connections = 0
        # When each event was here, as of time.time.
        self.arrivals: list[float] = []
        self.joined_at = 0.0
        self._address = address
        self._token = token
        self._rng = rng
        self._leaves_after = sorted(leaves_after)

    @property
    def cursor(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    @property
    def is_done(self) -> bool:
        return bool(self.events) and self.events[-1]["__typename"] == "RunFinished"

    async def read(self) -> None:
        """Until the run's last event."""
        while not self.is_done:
            before = self.connections
            try:
                await self._read_once()
            except OperationFailed as failed:
                self.errors.update(error["extensions"]["code"] for error in failed.errors)
            except ConnectionClosed as closed:
                # One that broke off before it was a WebSocket was refused: it lay in the queue of a port that closed.
                if closed.rcvd or self.connections > before:
                    self.errors[f"closed {closed.rcvd.code if closed.rcvd else 1006}"] += 1
            except (ConnectionRefusedError, ConnectionResetError, InvalidHandshake):
                pass  # the next address may be of a server that is there
            except (OSError, WebSocketException, TimeoutError) as error:
                self.errors[type(error).__name__] += 1
            if not self.is_done:
                await asyncio.sleep(self._rng.uniform(0.05, 0.2))

    async def _read_once(self) -> None:
        async with self._address().client(self._token).connect() as socket:
            self.connections += 1
            self.joined_at = time.time()
            async for payload in socket.stream(RUN_EVENTS, runId=self.run_id, after=self.cursor):
                if errors := payload.get("errors"):
                    raise OperationFailed(errors)
                self._take(payload["data"]["runEvents"])
                if self._leaves_after and self.cursor >= self._leaves_after[0]:
                    self._leave(socket)
                    return

    def _take(self, event: Json) -> None:
        first = event.get("firstSeq", event["seq"])
        if first != self.cursor + 1:
            self.gaps.append(f"{first} came after {self.cursor}")
        self.events.append(event)
        self.arrivals.append(time.time())

    def _leave(self, socket: Socket) -> None:
        """Now politely, now without a word."""
        self._leaves_after = [seq for seq in self._leaves_after if seq > self.cursor]
        if self._rng.random() < 0.5:
            socket.connection.transport.abort()

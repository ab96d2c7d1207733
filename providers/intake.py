"""What comes of an answer before aiohttp sees it: held for a moment, and let through in few goes.

A provider writes every token by itself. To parse each by itself, to wake who reads it, to store it and to tell of it
costs many times what several in one go do, and who follows a run is told some 30 times a second at most.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Protocol, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from core.ticks import FEW_STREAMS, Ticks, next_tick

REST_PER_ANSWER_S = 0.00025
"""How long an answer rests after each look at it, for each that is being read: the more there are, the more tokens are
taken at once.
"""
SHORTEST_REST_S = 0.027
"""With more than `FEW_STREAMS` it is not the time that ends a rest, but what comes next after it; what comes earlier
waits for that. So a token of a steady stream waits for the next one and for no more, and a look is about as far from
the one before as readers by default want pieces of text to be.
"""
LONGEST_REST_S = 0.045
"""What has come is looked at by then, even if nothing comes after it."""
MOST_HELD_BYTES = 64 * 1024


class Answers(Protocol):
    """All that are being read: how many, and the ticks that they share."""

    busy: int
    ticks: Ticks


class Intake(asyncio.Protocol):
    """Stands before aiohttp's protocol of a connection while the body of an answer comes, until it is closed. Nothing
    is held before the first `rest`.
    """

    def __init__(self, response: aiohttp.ClientResponse, answers: Answers, arrived: Callable[[], None]) -> None:
        """``arrived``: called when aiohttp has something new to read, or an end; it must not raise."""
        self._arrived = arrived
        self._content = response.content
        self._answers = answers
        self._clock = asyncio.get_running_loop().time
        self._held: list[bytes] = []
        self._held_bytes = 0
        # When what is held is let through.
        self._due = math.inf
        self._is_one_of_many = False
        self._looked_at = self._clock()
        self._rests_until = self._latest = 0.0
        connection = response.connection  # None where all of the body is here already
        self._transport = cast(asyncio.Transport, connection.transport) if connection is not None else None
        self._is_paused = False
        if self._transport is not None:
            self._reader = cast(ResponseHandler, self._transport.get_protocol())
            self._transport.set_protocol(self)
            if "Content-Encoding" not in response.headers:
                self._set_flow(self)

    def rest(self) -> None:
        """What was let through has been dealt with: leave it at that for a moment."""
        was_one_of_many, self._is_one_of_many = self._is_one_of_many, self._answers.busy > FEW_STREAMS
        if not self._is_one_of_many:
            self._rests_until = self._clock() + self._answers.busy * REST_PER_ANSWER_S
        elif not was_one_of_many:
            self._rest_since(self._looked_at)

    def close(self) -> None:
        """Let through what is held, and stand there no longer."""
        self._let_through(self._clock())
        self._leave()

    def data_received(self, data: bytes) -> None:
        now = self._clock()
        if not (self._held or self._is_one_of_many or now < self._rests_until):
            self._look(data, now)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MOST_HELD_BYTES:
            self._let_through(now)
            return
        due = self._due_for(now)
        if due < self._due:
            self._due = due
            self._answers.ticks.call_at(due, self._ring)

    def _due_for(self, now: float) -> float:
        """When what comes now is to be looked at."""
        if not self._is_one_of_many:
            return self._rests_until
        return self._latest if now < self._rests_until else next_tick(now)

    def _ring(self, at: float) -> None:
        if at == self._due:
            # By the tick, however late it is heard: answers stay in step with their tokens.
            self._let_through(at)

    def _let_through(self, at: float) -> None:
        if self._held:
            data, self._held, self._held_bytes, self._due = b"".join(self._held), [], 0, math.inf
            self._look(data, at)

    def _look(self, data: bytes, at: float) -> None:
        self._looked_at = at
        if self._is_one_of_many:
            self._rest_since(at)
        self._reader.data_received(data)
        if self._content.is_eof():
            # aiohttp has given the connection back, and what comes next is another answer's.
            self._leave()
        self._arrived()

    def _rest_since(self, at: float) -> None:
        self._rests_until, self._latest = at + SHORTEST_REST_S, next_tick(at + LONGEST_REST_S)

    def _leave(self) -> None:
        if self._transport is not None:
            self._transport.set_protocol(self._reader)
            self._set_flow(self._reader)
            self._transport = None

    def _set_flow(self, protocol: asyncio.Protocol) -> None:
        """Whom what is read of the body tells to pause and to go on. aiohttp's protocol, told to go on by each piece
        that is read, does all there is to do for that, paused or not.
        """
        content: Any = self._content
        content._protocol = protocol

    @property
    def connected(self) -> bool:
        return self._reader.connected

    def pause_reading(self) -> None:
        self._is_paused = True
        self._reader.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._is_paused:
            self._is_paused = False
            self._reader.resume_reading(resume_parser)

    def eof_received(self) -> None:
        self._let_through(self._clock())
        self._reader.eof_received()
        self._arrived()

    def connection_lost(self, error: Exception | None) -> None:
        self._let_through(self._clock())
        self._transport = None
        self._set_flow(self._reader)
        self._reader.connection_lost(error)
        self._arrived()

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()

"""Reading the body of an answer as it comes: decoded, handed on, and watched over for silence."""

import asyncio

import aiohttp

from core.events import ModelEvent
from providers.answer_decoder import AnswerDecoder
from providers.intake import Answers, Intake
from providers.port import Take


class AnswerReader:
    """Reads an answer of the status 200, within its block. Bytes that never make a line are silence too, other than a
    line that only begs for patience.

    One timer watches over it, which looks when it goes off whether it should have; aiohttp's would be set anew with all
    that comes.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        decoder: AnswerDecoder,
        take: Take | None,
        longest_silence_s: float,
        answers: Answers,
    ) -> None:
        """``take``: see `providers.port.ModelProvider.stream`."""
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = None
            response.connection.protocol.start_timeout()  # which ends the one that runs
        self._content = response.content
        self._decoder = decoder
        self._take = take
        self._longest_s = longest_silence_s
        self._loop = asyncio.get_running_loop()
        # What came, and was not handed on yet; and what went wrong behind it.
        self._events: list[ModelEvent] = []
        self._failure: Exception | None = None
        self._has_told = False
        # Set while somebody waits for what comes next.
        self._arrival: asyncio.Future[None] | None = None
        # When a line was completed last, or somebody began to wait for one.
        self._since = self._loop.time()
        self._line_ended = True
        self._timer = self._loop.call_later(longest_silence_s, self._look)
        self._intake = Intake(response, answers, self._arrived)

    def __enter__(self) -> "AnswerReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._intake.close()
        # Otherwise they keep each other, for a collector of cycles to find.
        del self._intake

    async def next(self) -> list[ModelEvent]:
        """What comes next and was not taken; nothing at the end.

        Raises:
            TimeoutError: no line was completed for too long.
            ProviderFailed, aiohttp.ClientError, OSError: as the decoder and aiohttp have it, after what came before.
        """
        if self._line_ended:
            self._since = self._loop.time()
        self._rest()
        while not self._read():
            self._arrival = self._loop.create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        events, self._events = self._events, []
        if self._failure is not None and not events:
            raise self._failure
        self._has_told = True
        return events

    def _arrived(self) -> None:
        """Something came for who waits: have it taken, or wake them."""
        if self._arrival is None or self._arrival.done():
            return
        while self._read():
            if self._failure is not None or self._decoder.done or self._take is None or not self._take(self._events):
                self._arrival.set_result(None)
                return
            self._events, self._has_told = [], True
            self._rest()

    def _read(self) -> bool:
        """Decode what is there; whether there is something to tell then, be it the end."""
        try:
            while not self._has_news and self._decode():
                pass
        except Exception as error:
            self._failure = error
        return self._has_news

    @property
    def _has_news(self) -> bool:
        return bool(self._events or self._failure or self._decoder.done)

    def _decode(self) -> bool:
        """Decode a piece of the answer, or its end; false where none is there."""
        try:
            chunk = self._content.read_nowait()
        except (aiohttp.ClientError, TimeoutError):
            # Of no matter once the model has finished.
            if not self._decoder.complete:
                raise
            self._decoder.close(self._events)
            return True
        if chunk:
            self._line_ended = b"\n" in chunk or b"\r" in chunk
            if self._line_ended:
                self._since = self._loop.time()
            self._decoder.feed(chunk, self._events)
        elif self._content.is_eof():
            self._decoder.close(self._events)
        else:
            return False
        return True

    def _rest(self) -> None:
        """What was told has been dealt with."""
        if self._has_told and not self._decoder.done:
            self._has_told = False
            self._intake.rest()

    def _look(self) -> None:
        # Who reads nothing hears nothing.
        left_s = self._longest_s
        if self._arrival is not None:
            left_s += self._since - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._content.set_exception(TimeoutError())
            self._arrived()

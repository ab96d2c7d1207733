"""One streamed HTTP answer of a provider, whatever its format: sent, read, timed, and hung up on."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import aiohttp

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import ModelEvent
from providers.answer_decoder import AnswerDecoder
from providers.connections import Attempt, Connections, hang_up
from providers.failures import MAX_DOCUMENT_BYTES, failure_of_status, presentable
from providers.guard import refusal_in
from providers.intake import Answers, Intake

CONNECT_TIMEOUT_S = 10.0
# How long the end of a finished answer's body is awaited, so that its connection can be used again.
END_OF_BODY_TIMEOUT_S = 0.1
_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}


class StreamingEndpoint:
    """Where requests go to. ``headers``: with the key, which is ``api_key``, so that no failure repeats it.

    ``idle_timeout_s``: the longest silence within one answer, before its first byte too. ``connections``: those to use
    and to leave open, instead of some of its own.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        api_key: str,
        *,
        idle_timeout_s: float,
        connections: Connections | None = None,
    ) -> None:
        self._url = url
        self._headers = {**_HEADERS, **headers}
        self._api_key = api_key
        self._owns_connections = connections is None
        self._connections = connections or Connections()
        self._idle_timeout_s = idle_timeout_s
        # `connect` holds for finding the address, too.
        self._timeout = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT_S, sock_read=idle_timeout_s)

    async def stream(self, body: bytes, decoder: AnswerDecoder) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Post ``body`` and yield the answer's events; see `providers.port.ModelProvider.stream`."""
        with _provider_failures(self._api_key):
            async with self._answer(body) as response:
                with _Body(response, self._idle_timeout_s, self._connections) as answer:
                    while not decoder.done:
                        events: list[ModelEvent] = []
                        try:
                            await self._read(answer, decoder, events)
                        finally:  # What came before a failure is told first.
                            if events:
                                yield events
                        if events and not decoder.done:
                            answer.rest()
                await _await_end_of_body(response)

    async def aclose(self) -> None:
        """Close its own connections. A stream still being read fails as if its connection broke."""
        if self._owns_connections:
            await self._connections.aclose()

    async def _read(self, answer: "_Body", decoder: AnswerDecoder, events: list[ModelEvent]) -> None:
        """Append the events of what comes next."""
        try:
            chunk = await answer.next()
        except (aiohttp.ClientError, TimeoutError):
            if not decoder.complete:
                raise
            chunk = b""
        if chunk:
            decoder.feed(chunk, events)
        else:
            decoder.close(events)

    @asynccontextmanager
    async def _answer(self, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to ``body``, under status 200; its connection is closed or given back at the end."""
        response = await self._send(body)
        self._connections.busy += 1
        try:
            if response.status != 200:
                raise await _refusal(response)
            yield response
        finally:
            self._connections.busy -= 1
            await hang_up(response)

    async def _send(self, body: bytes) -> aiohttp.ClientResponse:
        """Post ``body`` and await the answer's headers.

        A server may close a kept connection just as it is used again (llama.cpp does after every stream, although it
        promises to keep it): no byte of an answer has come then, so the request goes out anew on another connection.
        """
        while True:
            attempt = Attempt()
            try:
                return await self._connections.session.post(
                    self._url,
                    data=io.BytesIO(body),  # sent in pieces: aiohttp warns of large bytes, which it sends in one
                    headers=self._headers,
                    allow_redirects=False,
                    timeout=self._timeout,
                    trace_request_ctx=attempt,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not attempt.reused:
                    raise


class _Body:
    """The body of an answer, read as it comes. Bytes that never make a line are silence too, other than a line that
    only begs for patience.

    One timer watches over it, which looks when it goes off whether it should have; aiohttp's would be set anew with all
    that comes.
    """

    def __init__(self, response: aiohttp.ClientResponse, longest_silence_s: float, answers: Answers) -> None:
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = None
            response.connection.protocol.start_timeout()  # which ends the one that runs
        self._intake = Intake(response, answers)
        self.rest = self._intake.rest
        self._content = response.content
        self._longest_s = longest_silence_s
        self._loop = asyncio.get_running_loop()
        self._line_ended, self._is_listening = True, False
        self._since = 0.0
        self._timer = self._loop.call_later(longest_silence_s, self._look)

    def __enter__(self) -> "_Body":
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._intake.close()

    async def next(self) -> bytes:
        """What comes next; nothing at the end. Raises TimeoutError: no line was completed for too long."""
        if self._line_ended:
            self._since = self._loop.time()
        self._is_listening = True
        chunk = await self._content.readany()
        self._is_listening = False
        self._line_ended = b"\n" in chunk or b"\r" in chunk
        return chunk

    def _look(self) -> None:
        # Who reads nothing hears nothing.
        left_s = self._since + self._longest_s - self._loop.time() if self._is_listening else self._longest_s
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._content.set_exception(TimeoutError())


@contextmanager
def _provider_failures(api_key: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into ProviderFailed, without ``api_key`` in its words or its cause."""
    try:
        yield
    except ProviderFailed as failure:
        message = presentable(failure.message, api_key)
        raise ProviderFailed(message, retryable=failure.retryable, retry_after_s=failure.retry_after_s) from None
    except TimeoutError as error:
        raise ProviderTimedOut("The provider was silent for too long.", retryable=True) from error
    except aiohttp.ClientResponseError:  # its repr holds the request's headers, and so the key
        raise ProviderFailed("The provider's answer is not HTTP.", retryable=True) from None
    except aiohttp.InvalidURL as error:
        raise ProviderFailed("The provider's base URL is not a URL.", retryable=False) from error
    except (aiohttp.ClientError, OSError) as error:
        failed = ProviderFailed("The connection to the provider failed.", retryable=True)
        raise refusal_in(error) or failed from error


async def _refusal(response: aiohttp.ClientResponse) -> ProviderFailed:
    """The error for an answer with a status other than 200, with what its body says, as far as it comes."""
    body = b""
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                break
    except (aiohttp.ClientError, TimeoutError):
        pass
    return failure_of_status(response.status, body, response.headers.get("Retry-After"))


async def _await_end_of_body(response: aiohttp.ClientResponse) -> None:
    try:
        async with asyncio.timeout(END_OF_BODY_TIMEOUT_S):
            await response.content.wait_eof()
    except (aiohttp.ClientError, TimeoutError):
        pass

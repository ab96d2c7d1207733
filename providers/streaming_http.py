"""One streamed HTTP answer of a provider, whatever its format: sent, read, timed, and hung up on."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import aiohttp

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import ModelEvent
from providers.answer_decoder import AnswerDecoder
from providers.answer_reader import AnswerReader
from providers.connections import Attempt, Connections, hang_up
from providers.failures import MAX_DOCUMENT_BYTES, failure_of_status, presentable
from providers.guard import refusal_in
from providers.port import Take

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

    async def stream(
        self, body: bytes, decoder: AnswerDecoder, take: Take | None = None
    ) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Post ``body`` and yield the answer's events; see `providers.port.ModelProvider.stream`."""
        with _provider_failures(self._api_key):
            async with self._answer(body) as response:
                with AnswerReader(response, decoder, take, self._idle_timeout_s, self._connections) as answer:
                    while events := await answer.next():
                        yield events
                await _await_end_of_body(response)

    async def aclose(self) -> None:
        """Close its own connections. A stream still being read fails as if its connection broke."""
        if self._owns_connections:
            await self._connections.aclose()

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

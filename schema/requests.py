"""What a client asks over HTTP: an operation out of a body or a URL, or a refusal that says what is wrong with it.

Source: https://graphql.github.io/graphql-over-http/draft/#sec-Request
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import jiter
from starlette.requests import Request
from strawberry.http import GraphQLRequestData

from core.errors import ErrorCode
from schema.media_types import JSON, MediaType

# Room for the largest message that may be sent to an agent, escaped as JSON at its worst, more than twice over.
MAX_BODY_BYTES = 4_000_000
# A slow line needs half a minute for the largest body.
BODY_TIMEOUT_S = 60.0
# Lists, objects and what is in them, that a body may hold: reading more would keep all others waiting.
MAX_VALUES = 50_000
_MANY_VALUES = re.compile(rb'(?>(?>"(?>[^"\\]++|\\.)*+"|[^,\[{"]++)*+[,\[{]){%d}' % MAX_VALUES, re.DOTALL)
# More than proxies and browsers pass on.
MAX_URL_QUERY_BYTES = 16_384
_PARAMETERS: dict[str, type] = {"query": str, "variables": dict, "operationName": str, "extensions": dict}


class RequestRefused(Exception):
    """A request that is answered without any operation: the answer's status, its error and headers of its own."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: ErrorCode = ErrorCode.VALIDATION_FAILED,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}


async def read_operation(request: Request) -> GraphQLRequestData:
    """The operation that a request carries: in its URL if it is a GET, otherwise in its body.

    Raises:
        RequestRefused: it carries none that is well formed.
        starlette.requests.ClientDisconnect: the client went away before its body had arrived.
    """
    parameters = _from_url(request) if request.method == "GET" else await _from_body(request)
    for name, kind in _PARAMETERS.items():
        if not isinstance(parameters.get(name), kind | None):
            raise RequestRefused(400, f"{name} must be {'a string' if kind is str else 'an object'}.")
    return GraphQLRequestData(
        query=parameters.get("query"),
        variables=parameters.get("variables"),
        operation_name=parameters.get("operationName") or None,
        extensions=parameters.get("extensions"),
    )


def _from_url(request: Request) -> dict[str, Any]:
    query: bytes = request.scope["query_string"]
    if len(query) > MAX_URL_QUERY_BYTES:
        raise RequestRefused(
            414, f"The URL's query may have {MAX_URL_QUERY_BYTES:,} bytes; use POST for longer operations."
        )
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise RequestRefused(400, "The URL is not valid UTF-8, encoded with percent signs.") from None
    given: dict[str, Any] = dict(pairs)
    if len(given) < len(pairs):
        raise RequestRefused(400, "The URL gives a parameter more than once.")
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _parse(given[name].encode(), what=name) if given[name] else None
    return given


async def _from_body(request: Request) -> dict[str, Any]:
    media_type = MediaType.parse(request.headers.get("content-type", ""))
    if media_type.name != JSON or not media_type.is_utf_8:
        raise RequestRefused(415, "Content-Type must be application/json, in UTF-8.", headers={"Accept": JSON})
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestRefused(415, "The body must not be compressed.", headers={"Accept-Encoding": "identity"})
    body = _parse(await _read_body(request), what="The body")
    if isinstance(body, list):
        raise RequestRefused(400, "Batches are not supported: send each operation as a request of its own.")
    if not isinstance(body, dict):
        raise RequestRefused(400, "The body must be a JSON object.")
    return body


async def _read_body(request: Request) -> bytes:
    """The body, of which no more than the limit is ever held."""
    too_large = RequestRefused(413, f"The body may have {MAX_BODY_BYTES:,} bytes.")
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        headers = {"Connection": "close"}
        message = "The body did not arrive in time."
        raise RequestRefused(408, message, code=ErrorCode.TIMED_OUT, headers=headers) from None
    return bytes(body)


def require_few_values(text: bytes) -> None:
    """Raises ValueError where JSON has more than `MAX_VALUES` values; what stands in strings is text."""
    # The sum is found at once and never too small, so the rest is for the few that come near.
    if sum(map(text.count, (b",", b"[", b"{"))) >= MAX_VALUES and _MANY_VALUES.match(text):
        raise ValueError(f"it has more than {MAX_VALUES:,} values")


def _parse(text: bytes, *, what: str) -> Any:
    try:
        require_few_values(text)
        # What stands twice in an object would mean one thing here and another to a proxy that looks into it. The cache
        # outlives the request, so that values, passwords among them, have no place in it.
        return jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise RequestRefused(400, f"{what} is not valid JSON: {error}.") from None

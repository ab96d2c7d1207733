"""What a client is told over HTTP: results and refusals, in the media type that it asked for.

Source: https://graphql.github.io/graphql-over-http/draft/#sec-Response
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types import ExecutionResult

from core.errors import ErrorCode
from schema.media_types import GRAPHQL_RESPONSE, JSON, RESPONSES, negotiate
from schema.request_ids import HEADER, request_id_of
from schema.requests import RequestRefused
from schema.scalars import write_json

# Answers are their caller's alone; and one URL has several, by what was asked for.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}


def result_response(result: ExecutionResult, media_type: str) -> Response:
    """What came of an operation.

    Where nothing was executed, ``data`` is absent. The status says so only in the newer media type: in the older one
    clients take any other status than 200 for the word of a proxy. Only a fault of ours is told in both.
    """
    errors = result.errors or []
    body: dict[str, Any] = {"errors": [error.formatted for error in errors]} if errors else {}
    # What goes wrong in execution has a path in the data; what has none kept the execution from beginning.
    was_executed = result.data is not None or any(error.path for error in errors)
    if was_executed:
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    status = 200
    if any((error.extensions or {}).get("code") == ErrorCode.INTERNAL for error in errors) and not was_executed:
        status = 500
    elif not was_executed and media_type == GRAPHQL_RESPONSE:
        status = 400
    waits_ms = [wait_ms for error in errors if (wait_ms := (error.extensions or {}).get("retryAfterMs"))]
    if waits_ms and not was_executed:
        retry_after = {"Retry-After": str(ceil(max(waits_ms) / 1000))}
        return _response(body, 429 if media_type == GRAPHQL_RESPONSE else status, media_type, retry_after)
    return _response(body, status, media_type)


def refusal_response(request: Request, refusal: RequestRefused) -> Response:
    """A failure before any operation began, in the shape that GraphQL clients read."""
    request_id = request_id_of(request)
    extensions = {"code": refusal.code.value, "requestId": request_id}
    body = {"errors": [{"message": refusal.message, "extensions": extensions}]}
    media_type = negotiate(request, RESPONSES) or JSON
    return _response(body, refusal.status, media_type, {HEADER: request_id, **refusal.headers})


async def internal_error(request: Request, error: Exception) -> Response:
    """What clients see of a fault outside any operation; the server logs the rest, under the id that they are told."""
    return refusal_response(request, RequestRefused(500, "Internal error", code=ErrorCode.INTERNAL))


def _response(body: dict[str, Any], status: int, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    content_type = {"Content-Type": f"{media_type}; charset=utf-8"}
    return Response(write_json(body), status, {**_HEADERS, **content_type, **(headers or {})})

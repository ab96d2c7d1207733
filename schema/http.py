"""The GraphQL endpoint: who calls over HTTP, what came in, what goes out. `schema.sockets` does it for WebSockets."""

import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import cast

import orjson
import structlog
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.parse_content_type import parse_content_type
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.execution import PreExecutionError

from core.errors import ErrorCode, SynapseError, Unauthenticated
from resolvers.context import Context, Runtime
from schema.errors import publish
from schema.event_streams import HEARTBEAT_S, EventStream, Framing, framing_for
from schema.execution import Schema
from schema.persisted_documents import document_of
from schema.sockets import Socket, SocketAdapter, bearer
from services import sessions

CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
_BODY: dict[str, type] = {"query": str, "variables": dict, "operationName": str, "extensions": dict}
_SINGLE_ANSWER = re.compile(r"application/|\*/\*", re.IGNORECASE)
NO_GRAPHIQL = """The GraphiQL page is not built. Build it with: make graphiql/dist/index.html
The endpoint itself works: send your queries with POST.
"""


class GraphQLEndpoint(GraphQL[Context, None]):
    """Takes POST, ``graphql-transport-ws``, and browsers that ask for a page, who get GraphiQL.

    ``graphiql`` is where the built page lies. The app's ``state.runtime`` is the process's `Runtime`.
    """

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = Socket
    heartbeat_s = HEARTBEAT_S
    schema: Schema

    def __init__(self, schema: Schema, graphiql: Path) -> None:
        super().__init__(
            schema,
            allow_queries_via_get=False,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=CONNECTION_INIT_TIMEOUT,
            # Tokens say who calls, and no browser adds them by itself: a page's origin proves nothing more.
            allowed_origins=["*"],
        )
        self._graphiql = graphiql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            response = await self.run(Request(scope, receive))
        except HTTPException as error:
            response = error_response(error.status_code, ErrorCode.VALIDATION_FAILED, error.reason)
        await response(scope, receive, send)

    async def get_context(self, request: HTTPConnection, response: Response | WebSocket) -> Context:
        """The operation's context; on a WebSocket, where each operation gets its own, only the process's parts."""
        runtime: Runtime = request.app.state.runtime
        context = Context(runtime)
        structlog.contextvars.bind_contextvars(request_id=context.request_id)
        if request.scope["type"] == "http":
            try:
                token = bearer(request.headers.get("authorization"))
                context.principal = await sessions.authenticate(runtime.keys, token) if token else None
            except Unauthenticated as error:
                context.rejection = error
        return context

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        return request.method == "GET" and "text/html" in request.headers.get("accept", "")

    def is_request_allowed(self, request: BaseRequestProtocol) -> bool:
        return request.method == "POST" or self.should_render_graphql_ide(request)

    async def render_graphql_ide(self, request: Request) -> Response:
        page = self._graphiql / "index.html"
        return FileResponse(page) if page.exists() else PlainTextResponse(NO_GRAPHIQL)

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        """One answer, or a stream for whoever asks for one: see `schema.event_streams`."""
        assert isinstance(request_data, GraphQLRequestData)
        failure = self._find_document(request_data, context)
        framing = self._framing(request.headers.get("accept", ""), request_data)
        if framing is None:
            return failure or await super().execute_operation(
                request, request_adapter, request_data, context, root_value, sub_response
            )
        results = _once(failure) if failure else await self._stream(request_data, context)
        request.state.stream = EventStream(framing, results, context, self.heartbeat_s)
        # All that Strawberry's signature wants to say is that there are many of them.
        return cast(SubscriptionExecutionResult, results)

    async def _stream(
        self, request_data: GraphQLRequestData, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        results = await self.schema.stream(
            request_data.query, request_data.variables, context, operation_name=request_data.operation_name
        )
        # What else Strawberry can yield are results in pieces, which this schema does not offer.
        return cast(AsyncGenerator[ExecutionResult, None], results)

    async def _create_streaming_response(self, request: Request, *args: object, **options: object) -> Response:
        """Strawberry would frame the results itself, and leave them open when the client goes."""
        return cast(Response, request.state.stream)

    def _find_document(self, request_data: GraphQLRequestData, context: Context) -> PreExecutionError | None:
        """Puts the text in place of a hash; or what to answer where that can't be done."""
        try:
            request_data.query = document_of(
                context.runtime.documents, self.schema, request_data.query, request_data.extensions
            )
        except SynapseError as error:
            failure = GraphQLError(error.message, original_error=error)
            return PreExecutionError(data=None, errors=[publish(failure, context.request_id)])
        return None

    def _framing(self, accept: str, request_data: GraphQLRequestData) -> Framing | None:
        """How to stream the results; None for one answer, which clients that take both get unless they subscribe."""
        framing = framing_for(accept)
        if framing and _SINGLE_ANSWER.search(accept):
            return framing if self.schema.is_subscription(request_data.query, request_data.operation_name) else None
        return framing

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        media_type, _ = parse_content_type(request.content_type or "")
        if media_type.lower() != "application/json":
            raise HTTPException(415, "The content type must be application/json.")
        body = self.parse_json(await request.get_body())
        if not isinstance(body, dict):
            raise HTTPException(400, "The request body must be a JSON object.")
        for key, kind in _BODY.items():
            if not isinstance(body.get(key), kind | None):
                raise HTTPException(400, f"{key} must be {'a string' if kind is str else 'an object'}.")
        return GraphQLRequestData(
            query=body.get("query"),
            variables=body.get("variables"),
            operation_name=body.get("operationName"),
            extensions=body.get("extensions"),
        )

    def decode_json(self, data: str | bytes) -> object:
        return cast(object, orjson.loads(data))

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()


async def _once(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def error_response(status: int, code: ErrorCode, message: str) -> Response:
    """A failure before any operation began, in the shape that GraphQL clients read."""
    body = {"errors": [{"message": message, "extensions": {"code": code.value}}]}
    return Response(orjson.dumps(body), status, media_type="application/json")

"""The GraphQL endpoint: who calls over HTTP, what came in, what goes out. `schema.sockets` does it for WebSockets."""

from datetime import timedelta
from pathlib import Path
from typing import cast

import orjson
import structlog
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from core.errors import Unauthenticated
from resolvers.context import Context, Runtime
from schema.execution import Schema
from schema.media_types import RESPONSES, negotiate
from schema.request_ids import request_id_of
from schema.requests import RequestRefused, read_operation
from schema.responses import refusal_response, result_response
from schema.sockets import Socket, SocketAdapter, bearer
from services import sessions

CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
METHODS = {"GET": {OperationType.QUERY}, "POST": {OperationType.QUERY, OperationType.MUTATION}}
HTML = "text/html"
NO_GRAPHIQL = """The GraphiQL page is not built. Build it with: make graphiql/dist/index.html
The endpoint itself works: send your queries with POST.
"""


class GraphQLEndpoint(GraphQL[Context, None]):
    """Takes operations by POST, queries by GET, ``graphql-transport-ws``, and browsers, who get GraphiQL.

    ``graphiql`` is where the built page lies. The app's ``state.runtime`` is the process's `Runtime`, and `RequestIds`
    stands before it.
    """

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = Socket

    def __init__(self, schema: Schema, graphiql: Path) -> None:
        super().__init__(
            schema,
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
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except RequestRefused as refusal:
            response = refusal_response(request, refusal)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method not in METHODS:
            raise _not_allowed("The endpoint takes POST, and GET for queries.", *METHODS)
        if request.method == "GET" and negotiate(request, (*RESPONSES, HTML)) == HTML:
            return self._page()
        media_type = negotiate(request, RESPONSES)
        if media_type is None:
            raise RequestRefused(406, f"Answers are {' or '.join(RESPONSES)}; Accept names neither.")
        operation = await read_operation(request)
        return result_response(await self._execute(request, operation), media_type)

    async def _execute(self, request: Request, operation: GraphQLRequestData) -> ExecutionResult:
        try:
            return await self.schema.execute(
                operation.query,
                variable_values=operation.variables,
                operation_name=operation.operation_name,
                context_value=await self.get_context(request),
                allowed_operation_types=METHODS[request.method],
                operation_extensions=operation.extensions,
            )
        except CannotGetOperationTypeError as error:
            raise RequestRefused(400, error.as_http_error_reason()) from None
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise _not_allowed("Mutations need POST.", "POST") from None
            raise RequestRefused(400, "Subscriptions need a WebSocket that speaks graphql-transport-ws.") from None

    async def get_context(self, request: HTTPConnection, response: Response | WebSocket | None = None) -> Context:
        """The operation's context; on a WebSocket, where each operation gets its own, only the process's parts."""
        runtime: Runtime = request.app.state.runtime
        if request.scope["type"] == "websocket":
            context = Context(runtime)
            structlog.contextvars.bind_contextvars(request_id=context.request_id)
            return context
        context = Context(runtime, request_id=request_id_of(request))
        try:
            token = bearer(request.headers.get("authorization"))
            context.principal = await sessions.authenticate(runtime.keys, token) if token else None
        except Unauthenticated as error:
            context.rejection = error
        return context

    def _page(self) -> Response:
        page = self._graphiql / "index.html"
        return FileResponse(page) if page.exists() else PlainTextResponse(NO_GRAPHIQL)

    def decode_json(self, data: str | bytes) -> object:
        return cast(object, orjson.loads(data))

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()


def _not_allowed(message: str, *methods: str) -> RequestRefused:
    return RequestRefused(405, message, headers={"Allow": ", ".join(methods)})

"""The GraphQL endpoint: who calls over HTTP, what came in, what goes out. `schema.sockets` does it for WebSockets."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import cast

import orjson
import structlog
from graphql import GraphQLError
from graphql import OperationType as GraphQLOperationType
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.websocket_origin import is_same_origin
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from core.errors import ErrorCode, SynapseError, Unauthenticated
from core.turns import Urgency
from models.database import is_transient
from resolvers.context import Context, Runtime
from schema.credentials import credentials_of
from schema.errors import AWAY, publish
from schema.event_streams import HEARTBEAT_S, EventStream, framing_for
from schema.execution import Schema, asks_nothing
from schema.media_types import RESPONSES, accept_of, negotiate
from schema.persisted_documents import document_of
from schema.request_ids import request_id_of
from schema.requests import RequestRefused, read_operation, require_few_values
from schema.responses import refusal_response, result_response
from schema.scalars import write_json
from schema.sockets import TOO_MANY, Socket, SocketAdapter
from services import principals

log = structlog.get_logger(__name__)

CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
METHODS = {"GET": {OperationType.QUERY}, "POST": {OperationType.QUERY, OperationType.MUTATION}}
HTML = "text/html"
NO_GRAPHIQL = """The GraphiQL page is not built. Build it with: make graphiql/dist/index.html
The endpoint itself works: send your queries with POST.
"""


class GraphQLEndpoint(GraphQL[Context, None]):
    """Takes operations over HTTP and ``graphql-transport-ws``, and browsers, who get GraphiQL.

    ``graphiql`` is where the built page lies; None where it is not offered. The app's ``state.runtime`` is the
    process's `Runtime`, and `RequestIds` stands before it.
    """

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = Socket
    heartbeat_s = HEARTBEAT_S
    schema: Schema

    def __init__(self, schema: Schema, graphiql: Path | None) -> None:
        super().__init__(
            schema,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=CONNECTION_INIT_TIMEOUT,
        )
        self._graphiql = graphiql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._carry(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except RequestRefused as refusal:
            response = refusal_response(request, refusal)
        except ClientDisconnect:
            return
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("the database is away", request_id=request_id_of(request), error=repr(error))
            response = refusal_response(request, RequestRefused(503, AWAY, code=ErrorCode.INTERNAL))
        await response(scope, receive, send)

    async def _carry(self, socket: WebSocket) -> None:
        """Serves a socket, unless its address has as many as it may have."""
        runtime: Runtime = socket.app.state.runtime
        address, most = address_of(socket), runtime.settings.sockets_per_address
        if not runtime.sockets.enter(address, most):
            await socket.accept(subprotocol=await self.pick_websocket_subprotocol(socket))
            await socket.close(TOO_MANY, f"An address may have {most} sockets")
            return
        try:
            await self.run(socket)
        finally:
            runtime.sockets.leave(address)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        return _admits(request, origin)

    async def _respond(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if (
            origin is not None
            and not _admits(request, origin)
            and not is_same_origin(origin, request.headers.get("host"))
        ):
            raise RequestRefused(403, f"Pages of {origin} may not call this server.", code=ErrorCode.FORBIDDEN)
        if request.method not in METHODS:
            raise _not_allowed("The endpoint takes POST, and GET for queries.", *METHODS)
        if self._graphiql and request.method == "GET" and negotiate(request, (*RESPONSES, HTML)) == HTML:
            return _page(self._graphiql)
        media_type, framing = negotiate(request, RESPONSES), framing_for(accept_of(request))
        if media_type is None and framing is None:
            raise RequestRefused(406, f"Answers are {' or '.join(RESPONSES)}; Accept names neither.")
        operation = await read_operation(request)
        context = await self.get_context(request)
        await context.runtime.turns.take(Urgency.ASK)
        failure = await self._prepare(request, operation, context, may_presume=media_type is not None)
        try:
            if media_type:
                return result_response(failure or await self._result(request, operation, context), media_type)
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise _not_allowed("Mutations need POST.", "POST") from None
        # For clients that take nothing else, and for those that take both and subscribe.
        if framing is None:
            raise RequestRefused(400, "A subscription has many results: take them over a WebSocket, or as a stream.")
        allowed = METHODS[request.method] | {OperationType.SUBSCRIPTION}
        results = _once(failure) if failure else await self._stream(operation, context, allowed)
        is_live = self.schema.is_subscription(operation.query, operation.operation_name)
        return EventStream(framing, results, context, self.heartbeat_s, is_live=is_live)

    async def _prepare(
        self, request: Request, operation: GraphQLRequestData, context: Context, *, may_presume: bool
    ) -> PreExecutionError | None:
        """Finds out who calls, where that matters, and what they send; or what to answer where that can't be done."""
        known = None
        if not operation.extensions:
            known = self.schema.known_operation(operation.query, operation.operation_name)
        # Before its document is found: which ones there are may depend on who calls.
        if known is None or not asks_nothing(known):
            is_query = known is not None and known.operation is GraphQLOperationType.QUERY
            await _authenticate(request, context, may_presume=may_presume and is_query)
        return await self._find_document(operation, context)

    async def _result(self, request: Request, operation: GraphQLRequestData, context: Context) -> ExecutionResult:
        """What an operation comes to. Where the caller is not who was presumed to call, nothing was told yet, and a
        query can be executed again.
        """
        allowed = METHODS[request.method]
        result = await self._execute(operation, context, allowed)
        if context.presumption and not await context.runtime.callers.was_right(context.presumption):
            presumed, context = context, await self.get_context(request)
            await _authenticate(request, context)
            if context.payer == presumed.payer:
                context.cost = presumed.cost
            result = await self._execute(operation, context, allowed)
        return result

    async def _find_document(self, operation: GraphQLRequestData, context: Context) -> PreExecutionError | None:
        """Puts the text in place of a hash; or what to answer where that can't be done."""
        documents, principal = context.runtime.documents, context.principal
        try:
            operation.query = await document_of(
                documents, self.schema, principal, operation.query, operation.extensions
            )
        except SynapseError as error:
            failure = GraphQLError(error.message, original_error=error)
            return PreExecutionError(data=None, errors=[publish(failure, context.request_id)])
        return None

    async def _execute(
        self, operation: GraphQLRequestData, context: Context, allowed: set[OperationType]
    ) -> ExecutionResult:
        if not operation.query:
            raise RequestRefused(400, "query is missing: the GraphQL document to run.")
        try:
            return await self.schema.execute(
                operation.query,
                operation.variables,
                context,
                operation_name=operation.operation_name,
                allowed_operation_types=allowed,
            )
        except CannotGetOperationTypeError as error:
            raise RequestRefused(400, error.as_http_error_reason()) from None

    async def _stream(
        self, operation: GraphQLRequestData, context: Context, allowed: set[OperationType]
    ) -> AsyncGenerator[ExecutionResult, None]:
        results = await self.schema.stream(
            operation.query,
            operation.variables,
            context,
            operation_name=operation.operation_name,
            allowed_operation_types=allowed,
        )
        # What else Strawberry can yield are results in pieces, which this schema does not offer.
        return cast(AsyncGenerator[ExecutionResult, None], results)

    async def get_context(self, request: HTTPConnection, response: Response | WebSocket | None = None) -> Context:
        """The operation's context, without a caller; on a WebSocket, where each operation gets its own, the process's
        parts.
        """
        runtime: Runtime = request.app.state.runtime
        if request.scope["type"] == "websocket":
            context = Context(runtime, address=address_of(request))
            structlog.contextvars.bind_contextvars(request_id=context.request_id)
            return context
        return Context(runtime, request_id=request_id_of(request), address=address_of(request))

    def decode_json(self, data: str | bytes) -> object:
        """Raises JSONDecodeError for what is no JSON, or has too many values."""
        text = data.encode() if isinstance(data, str) else data
        try:
            require_few_values(text)
        except ValueError as error:
            raise orjson.JSONDecodeError(str(error), "", 0) from None
        return cast(object, orjson.loads(text))

    def encode_json(self, data: object) -> str:
        return write_json(data).decode()


async def _authenticate(request: Request, context: Context, *, may_presume: bool = False) -> None:
    """Finds out who calls, or why their token is not accepted; what is presumed of it is to be found right later."""
    try:
        credentials = credentials_of(request.headers, request.headers.get("origin"))
        if credentials is None:
            return
        callers, proof = context.runtime.callers, principals.proof_of(context.runtime.keys, credentials)
        context.presumption = callers.presume(proof) if may_presume else None
        context.principal = context.presumption.principal if context.presumption else await callers.find(proof)
    except Unauthenticated as error:
        context.rejection = error


def address_of(connection: HTTPConnection) -> str:
    """Where the client is, as far as proxies are to be believed: uvicorn has put it there."""
    return connection.client.host if connection.client else ""


def _admits(connection: HTTPConnection, origin: str) -> bool:
    """Whether the settings let in the pages of ``origin``. It says nothing of who calls: tokens do."""
    allowed: tuple[str, ...] = connection.app.state.runtime.settings.allowed_origins
    return "*" in allowed or origin in allowed


def _page(folder: Path) -> Response:
    page = folder / "index.html"
    return FileResponse(page) if page.exists() else PlainTextResponse(NO_GRAPHIQL)


async def _once(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def _not_allowed(message: str, *methods: str) -> RequestRefused:
    return RequestRefused(405, message, headers={"Allow": ", ".join(methods)})

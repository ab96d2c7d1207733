"""WebSockets: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.

Strawberry speaks the protocol. Added here: who calls, a context of its own for each operation, the end of a socket
whose session ends, and answers instead of crashes for messages that no client should send.
"""

import asyncio
from collections.abc import Mapping
from copy import copy
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation

from core.auth import Principal
from core.errors import SynapseError, Unauthenticated
from resolvers.context import Context
from schema.errors import publish
from schema.execution import Schema
from schema.persisted_documents import document_of
from services import sessions

FORBIDDEN = 4403
INTERNAL_ERROR = 1011
# RFC 6455 gives a close frame's reason this much room.
MAX_REASON_BYTES = 123
MAX_ID_CHARS = 128
# How long an answer that is under way may take, once its session has ended.
LAST_ANSWERS_S = 0.3

log = structlog.get_logger(__name__)


def bearer(authorization: object) -> str | None:
    """The token of an Authorization header, or of the same in connection_init; None where there is none.

    Raises:
        Unauthenticated: it is there and is not ``Bearer TOKEN``.
    """
    if authorization is None or authorization == "":
        return None
    scheme, _, token = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be: Bearer TOKEN.")
    return token.strip()


class SocketAdapter(ASGIWebSocketAdapter):
    """The socket, which may be closed more than once, and for longer reasons than fit."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket. ``principal`` is who opened it; each operation looks up anew what that one may do."""

    schema: Schema
    principal: Principal | None = None
    watcher: asyncio.Task[None] | None = None

    async def handle_message(self, message: Any) -> None:
        problem = _malformed(message)
        if problem:
            await self.handle_invalid_message(problem)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        payload = message.get("payload") or {}
        if not self.connection_init_received:
            try:
                self.principal = await self._authenticate(payload)
            except Unauthenticated as error:
                await self.websocket.close(FORBIDDEN, error.message)
                return
        await super().handle_connection_init({"type": "connection_init", "payload": payload})
        if self.principal and self.watcher is None:
            self.watcher = asyncio.create_task(self._watch(self.principal))

    async def handle_subscribe(self, message: Any) -> None:
        payload = message["payload"]
        try:
            query = document_of(
                self.context.runtime.documents, self.schema, payload.get("query"), payload.get("extensions")
            )
        except SynapseError as error:
            # Neither may be answered: the base class closes the socket instead.
            if self.connection_acknowledged and message["id"] not in self.operations:
                failure = publish(GraphQLError(error.message, original_error=error), self.context.request_id)
                await self.send_message({"id": message["id"], "type": "error", "payload": [failure.formatted]})
                return
            query = ""
        found: Any = {**message, "payload": {**payload, "query": query or ""}}
        await super().handle_subscribe(found)

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        context = Context(self.context.runtime)
        structlog.contextvars.bind_contextvars(request_id=context.request_id)
        try:
            context.principal = await sessions.load_principal(self.principal) if self.principal else None
        except Exception as error:
            failure = GraphQLError(str(error), original_error=error)
            await operation.send_initial_errors([publish(failure, context.request_id)])
            return
        # The base class takes its own context for every operation, so each gets a handler that differs in that alone.
        handler = copy(self)
        handler.context = context
        await super(Socket, handler).run_operation(operation)

    async def shutdown(self) -> None:
        if self.watcher:
            self.watcher.cancel()
        await super().shutdown()

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> None:
        """A document that can't be run fails its own operation, and not the others on the socket."""

    async def _authenticate(self, payload: Mapping[str, object]) -> Principal | None:
        authorization = next((value for key, value in payload.items() if key.lower() == "authorization"), None)
        token = bearer(authorization)
        return await sessions.authenticate(self.context.runtime.keys, token) if token else None

    async def _watch(self, principal: Principal) -> None:
        """Closes the socket once its session has ended or its access token has expired."""
        try:
            reason = await sessions.ended(self.context.runtime.bus, principal)
        except Exception:
            log.exception("session_watch_failed")
            await self.websocket.close(INTERNAL_ERROR, "Internal error")
            return
        tasks = [operation.task for operation in self.operations.values() if operation.task]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
        failure = GraphQLError(reason, original_error=Unauthenticated(reason))
        for operation in list(self.operations.values()):
            await operation.send_initial_errors([publish(failure, self.context.request_id)])
        await self.websocket.close(FORBIDDEN, reason)


def _malformed(message: Any) -> str | None:
    """What is wrong with a message's form; None when nothing is."""
    match message:
        case {"type": "connection_init" | "ping" | "pong", **rest}:
            return None if isinstance(rest.get("payload"), dict | None) else "The payload must be an object"
        case {"type": "complete", "id": str()}:
            return None
        case {"type": "subscribe", "id": str(id), "payload": {**rest}}:
            if not 0 < len(id) <= MAX_ID_CHARS:
                return f"An id has 1 to {MAX_ID_CHARS} characters"
            if not isinstance(rest.get("query"), str if "extensions" not in rest else str | None):
                return "The query must be a string"
            for key in ("variables", "extensions"):
                if not isinstance(rest.get(key), dict | None):
                    return f"The {key} must be an object"
            return None if isinstance(rest.get("operationName"), str | None) else "The operationName must be a string"
        case _:
            return "This is no message of graphql-transport-ws"

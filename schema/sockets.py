"""WebSockets: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.

Strawberry speaks the protocol. Added here: who calls, a context of its own for each operation, the end of what the
caller may not see any longer, limits, and answers instead of crashes for messages that no client should send.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http import process_result
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.types.execution import PreExecutionError

from core.auth import AccessClaims
from core.errors import RateLimited, SynapseError, Unauthenticated
from core.principals import KeyProof, Principal
from core.turns import Urgency
from models.database import is_transient
from resolvers.context import Context
from schema.credentials import credentials_of
from schema.errors import publish
from schema.execution import Schema
from schema.persisted_documents import document_of, with_document_id
from schema.scalars import write_json
from schema.socket_messages import problem_of
from services import principals
from services.revocations import Watch, rights_lost

FORBIDDEN = 4403
TOO_MANY = 4429
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
# RFC 6455 gives a close frame's reason this much room.
MAX_REASON_BYTES = 123
MAX_OPERATIONS = 100
# How many messages a socket sends at most before others have their turn.
SENT_AT_ONCE = 32
# An extension of ASGI: sends the bytes of a text message, if that takes no waiting, and returns whether it did.
TEXT_AT_ONCE = "synapse.text_at_once"
# How long an answer that is under way may take, once its caller may not go on.
LAST_ANSWERS_S = 0.3

log = structlog.get_logger(__name__)


class SocketAdapter(ASGIWebSocketAdapter):
    """The socket, which may be closed more than once, by its peer first, and for longer reasons than fit.

    What is sent to a peer who has left is dropped: operations end when the socket does, and not by an error each.
    """

    _sent = 0

    @property
    def send_at_once(self) -> Callable[[bytes], bool] | None:
        """Sends a text message, if that takes no waiting, and returns whether it did; where the server can tell."""
        extensions: Mapping[str, Any] = self.ws.scope.get("extensions", {})
        return extensions.get(TEXT_AT_ONCE)

    async def send_json(self, message: Mapping[str, object]) -> None:
        self._sent += 1
        if self._sent % SENT_AT_ONCE == 0:
            # A subscription that has thousands of events ready leaves the others their turn in between.
            await asyncio.sleep(0)
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            with suppress(WebSocketDisconnect):
                await self.ws.send({"type": "websocket.send", "text": self.view.encode_json(message)})

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            with suppress(WebSocketDisconnect):
                await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket. ``principal`` is who opened it, by the newest of their tokens; each operation looks up anew what that
    one may do.
    """

    schema: Schema
    principal: Principal | None = None
    watcher: asyncio.Task[None] | None = None
    watch: Watch | None = None
    # Under whose name it is counted.
    user: str | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Those of `operations`, and those that the client has completed and that are not at their end yet.
        self._running: set[asyncio.Task[None]] = set()
        self._contexts: dict[Operation[Context, None], Context] = {}

    async def handle_message(self, message: Any) -> None:
        # Thousands may have come at once, and the other sockets get their turn in between.
        await asyncio.sleep(0)
        problem = problem_of(message)
        if problem:
            await self.handle_invalid_message(problem)
            return
        try:
            await super().handle_message(message)
        except Exception as error:
            await self._fail(error)

    async def handle_connection_init(self, message: Any) -> None:
        payload = message.get("payload") or {}
        if not self.connection_init_received:
            try:
                self.principal = await self._authenticate(payload)
            except Unauthenticated as error:
                await self.websocket.close(FORBIDDEN, error.message)
                return
            if not await self._admit():
                return
        await super().handle_connection_init({"type": "connection_init", "payload": payload})
        if self.principal and self.watcher is None:
            self.watcher = asyncio.create_task(self._watch(self.principal))

    async def _admit(self) -> bool:
        """Closes the socket where its user has as many as they may have; whether it stays open."""
        if self._count():
            return True
        most = self.context.runtime.settings.sockets_per_user
        await self.websocket.close(TOO_MANY, f"A user may have {most} sockets")
        return False

    def _count(self) -> bool:
        """Counts the socket among its user's; False where that one has as many as they may have."""
        user = self.principal.account if self.principal else None
        if user is None or self.user is not None:
            return True
        runtime = self.context.runtime
        if runtime.sockets.enter(user, runtime.settings.sockets_per_user):
            self.user = user
        return self.user is not None

    async def handle_ping(self, message: Any) -> None:
        payload = message.get("payload")
        if self.connection_acknowledged and payload:
            try:
                payload = None if await self._renew(payload) else payload
            except Unauthenticated as error:
                await self.websocket.close(FORBIDDEN, error.message)
                return
        await self.send_message({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})

    async def handle_subscribe(self, message: Any) -> None:
        id, query = message["id"], ""
        # Otherwise nothing may be answered: the base class closes the socket.
        if self.connection_acknowledged and id not in self.operations:
            try:
                query = await self._query_of(message["payload"])
            except SynapseError as error:
                failure = publish(GraphQLError(error.message, original_error=error), self.context.request_id)
                await self.send_message({"id": id, "type": "error", "payload": [failure.formatted]})
                return
        found: Any = {**message, "payload": {**message["payload"], "query": query}}
        await super().handle_subscribe(found)
        if (operation := self.operations.get(id)) and operation.task:
            self._running.add(operation.task)
            operation.task.add_done_callback(self._running.discard)

    async def _query_of(self, payload: Mapping[str, Any]) -> str:
        """Raises RateLimited, or SynapseError for a document that is not there, not right or not trusted."""
        if len(self._running) >= MAX_OPERATIONS:
            raise RateLimited(f"A socket carries at most {MAX_OPERATIONS} operations at once.", retry_after_ms=0)
        extensions = with_document_id(payload.get("extensions"), payload.get("documentId"))
        documents = self.context.runtime.documents
        return await document_of(documents, self.schema, self.principal, payload.get("query"), extensions) or ""

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        follows = self.schema.is_subscription(operation.query, operation.operation_name)
        await self.context.runtime.turns.take(Urgency.FOLLOW if follows else Urgency.ASK)
        context = Context(self.context.runtime, address=self.context.address, recall=self._recall)
        assert isinstance(self.websocket, SocketAdapter)
        if follows and (send_at_once := self.websocket.send_at_once) is not None:
            context.send = partial(_send_next, send_at_once, operation)
        structlog.contextvars.bind_contextvars(request_id=context.request_id)
        try:
            context.principal = await self._find(self.principal.proof) if self.principal else None
        except Exception as error:
            failure = GraphQLError(str(error), original_error=error)
            await operation.send_initial_errors([publish(failure, context.request_id)])
            return
        # The base class takes its own context for every operation, so each gets a handler that differs in that alone.
        handler = copy(self)
        handler.context = context
        self._contexts[operation] = context
        try:
            await super(Socket, handler).run_operation(operation)
        finally:
            del self._contexts[operation]

    async def shutdown(self) -> None:
        if self.user:
            self.context.runtime.sockets.leave(self.user)
            self.user = None
        if self.watcher:
            self.watcher.cancel()
            # It keeps where it was when it was cancelled, and so this socket: a cycle, for a collector to find.
            self.watcher = None
        for task in self._running:
            task.cancel()
        await super().shutdown()
        if self._running:
            await asyncio.wait(self._running)

    async def _fail(self, error: Exception) -> None:
        """Closes the socket for a fault of ours, or because the database is away; either is logged."""
        if is_transient(error):
            log.warning("the database is away", request_id=self.context.request_id, error=repr(error))
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        else:
            log.error("socket_failed", request_id=self.context.request_id, exc_info=error)
            await self.websocket.close(INTERNAL_ERROR, "Internal error")

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: Any) -> None:
        """As the base class, in fewer steps; but a document that can't be run fails its own operation alone."""
        try:
            async for result in result_source:
                if isinstance(result, PreExecutionError):
                    await operation.send_initial_errors(result.errors or [])
                    return
                if not operation.completed:
                    await self.websocket.send_json(_next(operation, process_result(result)))
        except Exception as error:  # such as a result that JSON can't express
            failure = GraphQLError(str(error), original_error=error)
            await operation.send_initial_errors([publish(failure, self.context.request_id)])

    async def _authenticate(self, payload: Mapping[str, object]) -> Principal | None:
        assert isinstance(self.websocket, SocketAdapter)
        credentials = credentials_of(payload, self.websocket.ws.headers.get("origin"))
        return await principals.authenticate(self.context.runtime.keys, credentials) if credentials else None

    async def _renew(self, payload: Mapping[str, object]) -> bool:
        """Goes on by a fresh token of the same caller; false where there is none in ``payload``.

        Raises:
            Unauthenticated: it is not valid, or somebody else's.
        """
        former, fresh = self.principal, await self._authenticate(payload)
        if fresh is None:
            return False
        if former and former.subject != fresh.subject:
            raise Unauthenticated("The token is not of whoever opened the socket.")
        self.principal = fresh
        if not await self._admit():
            return True
        if self.watcher:
            self.watcher.cancel()
        self.watch = None
        self.watcher = asyncio.create_task(self._watch(fresh))
        # Who watched until now may not have got round to it.
        await self._end_in(former.lost_in(fresh) if former else frozenset())
        return True

    async def _find(self, proof: AccessClaims | KeyProof) -> Principal:
        return await (self.watch.find() if self.watch else principals.load(proof))

    async def _recall(self, proof: AccessClaims | KeyProof) -> Principal:
        return await (self.watch.recall() if self.watch else principals.load(proof))

    async def _watch(self, principal: Principal) -> None:
        """Ends what its caller may not see any longer, and in the end the socket: when the session has ended, the token
        or key has expired, or the key was revoked.
        """
        with self.context.runtime.revocations.watch(principal) as watch:
            self.watch = watch
            try:
                while True:
                    await self._end_in(await watch.lost())
            except Unauthenticated as reason:
                await self._end(list(self.operations.values()), reason)
                await self.websocket.close(FORBIDDEN, reason.message)
            except Exception as error:
                await self._fail(error)

    async def _end_in(self, workspace_ids: Set[UUID]) -> None:
        """Ends the subscriptions that tell of these workspaces."""
        ending = [operation for operation, context in self._contexts.items() if context.watched & workspace_ids]
        if ending:
            await self._end(ending, rights_lost())

    async def _end(self, operations: Sequence[Operation[Context, None]], reason: SynapseError) -> None:
        tasks = [operation.task for operation in operations if operation.task]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
        failure = GraphQLError(reason.message, original_error=reason)
        for operation in operations:
            if self.operations.get(operation.id) is operation:
                await operation.send_initial_errors([publish(failure, self.context.request_id)])
                if operation.task:
                    operation.task.cancel()


def _next(operation: Operation[Context, None], payload: Mapping[str, Any]) -> dict[str, object]:
    """The protocol's message with a result."""
    return {"id": operation.id, "type": "next", "payload": payload}


def _send_next(send: Callable[[bytes], bool], operation: Operation[Context, None], data: dict[str, Any]) -> bool:
    return not operation.completed and send(write_json(_next(operation, {"data": data})))

"""How operations are executed: Strawberry's schema with what this one needs besides."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import strawberry
from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    OperationDefinitionNode,
    Undefined,
    get_operation_ast,
)
from graphql import OperationType as GraphQLOperationType
from graphql.execution import ExecutionResult as CoreResult
from graphql.execution import MiddlewareManager
from graphql.type import GraphQLInterfaceType, GraphQLObjectType
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import _coerce_pre_execution_error
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.aio import aclosing

from core.errors import OperationTimedOut, SynapseError, ValidationFailed
from resolvers.costs import charge
from schema.documents import Documents, InvalidDocument
from schema.errors import EXCEPTION_HANDLERS, publish
from schema.event_encoder import EventEncoder
from schema.executor import Executor
from schema.plans import Plan
from schema.scalars import SCALARS

T = TypeVar("T")

# The event loop itself does not keep tasks.
_going_on: set[asyncio.Task[Any]] = set()


class OperationUnclear(CannotGetOperationTypeError):
    """A document has no operation of the name that was given, or several where none was."""

    def as_http_error_reason(self) -> str:
        if self.operation_name is None:
            return "The document has several operations: operationName must say which one to run."
        return f'The document has no operation named "{self.operation_name}".'


class Schema(strawberry.Schema):
    """Strawberry's schema, with our scalars and errors, and documents that are parsed and validated within limits."""

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        types: Sequence[type] = (),
    ) -> None:
        super().__init__(
            query,
            mutation,
            subscription,
            types=types,
            execution_context_class=Executor,
            config=StrawberryConfig(scalar_map=SCALARS),
            exception_handlers=EXCEPTION_HANDLERS,
        )
        self.documents = Documents(self._schema)
        for argument in self._inputs():
            # What may be left out has the default None in Python, and nobody needs to read "= null" in the schema.
            if argument.default_value is None:
                argument.default_value = Undefined

    def _inputs(self) -> Iterator[GraphQLArgument | GraphQLInputField]:
        for named_type in self._schema.type_map.values():
            if isinstance(named_type, GraphQLInputObjectType):
                yield from named_type.fields.values()
            elif isinstance(named_type, GraphQLObjectType | GraphQLInterfaceType):
                for field in named_type.fields.values():
                    yield from field.args.values()

    def is_valid(self, text: str) -> bool:
        """Whether this is a document that the schema can execute, as far as that can be told without variables."""
        try:
            self.documents.get(text)
        except InvalidDocument:
            return False
        return True

    def known_operation(self, text: str | None, operation_name: str | None) -> OperationDefinitionNode | None:
        """The operation that is asked for, if its document is known already."""
        document = self.documents.find(text or "")
        return get_operation_ast(document.node, operation_name) if document else None

    def is_subscription(self, text: str | None, operation_name: str | None) -> bool:
        """Whether the operation that is asked for has many results; not so where none can be made out."""
        try:
            operation = get_operation_ast(self.documents.get(text or "").node, operation_name)
        except InvalidDocument:
            return False
        return operation is not None and operation.operation is GraphQLOperationType.SUBSCRIPTION

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """What comes before execution, on every transport: see that it may be executed, and have the caller pay.

        Strawberry would run the first of several operations, and offers no place for one cache of both steps: its
        extensions are not told of parsing and validation here.

        Raises:
            CannotGetOperationTypeError, InvalidOperationTypeError: which one to run is unclear, or it may not be run.
        """
        runtime = context.context.runtime
        try:
            document = self.documents.get(context.query or "", suggest=runtime.settings.introspection)
        except InvalidDocument as invalid:
            return PreExecutionError(data=None, errors=invalid.errors)
        operation = get_operation_ast(document.node, context._provided_operation_name)
        if operation is None:
            raise OperationUnclear(context._provided_operation_name)
        operation_type = OperationType(operation.operation.value)
        if operation_type not in context.allowed_operations:
            raise InvalidOperationTypeError(operation_type)
        context.graphql_document = document.node
        try:
            measures = document.measure(operation, context.variables or {})
            if measures.introspects and not runtime.settings.introspection:
                raise ValidationFailed("Introspection is off on this server. Its schema is in the documentation.")
            await charge(context.context, measures.cost)
        except SynapseError as error:
            return PreExecutionError(data=None, errors=[GraphQLError(error.message, original_error=error)])
        return None

    async def _stream(
        self,
        execution_context: ExecutionContext,
        extensions_runner: SchemaExtensionsRunner,
        middleware_manager: MiddlewareManager,
        *_: Any,
        **__: Any,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """What an operation comes to, on transports that bring many results.

        As in the base class where there are no extensions, of which this schema has none; but an event of which only
        leaves are selected takes none of the steps of an execution.
        """
        context, runner = execution_context, extensions_runner
        failure = await self._prepare_stream(context, runner)
        if failure is None and context.operation_type is not OperationType.SUBSCRIPTION:
            single = self._stream_non_subscription(context, runner, middleware_manager)
            async with aclosing(cast(AsyncGenerator[ExecutionResult, None], single)) as results:
                async for result in results:
                    yield result
            return
        begun = failure or await self._subscribe(context, middleware_manager)
        if not isinstance(begun, tuple):
            yield await self._handle_execution_result(context, begun, runner)
            return
        executor, events = begun
        document, operation = self.documents.find(context.query or ""), executor.operation
        encoder = EventEncoder(executor, document.leaves(operation) if document else None)
        if (send := context.context.send) is not None:
            context.context.show = partial(_show, encoder, send)
        try:
            async with aclosing(events):
                async for event in events:
                    data = encoder.encode(event)
                    if data is not None:
                        yield ExecutionResult(data, None)
                    else:
                        executed = await executor.execute_event(event)
                        yield await self._handle_execution_result(context, executed, runner)
        except Exception as error:
            yield await self._handle_execution_result(context, _failed(error), runner)
        finally:
            # It keeps the executor, and that the context: a cycle, for a collector to find.
            context.context.show = None

    async def _prepare_stream(
        self, context: ExecutionContext, runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """As `_prepare_operation_async`, with nothing raised."""
        try:
            return await self._prepare_operation_async(context, runner)
        except (CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            return PreExecutionError(data=None, errors=[_coerce_pre_execution_error(error)])

    async def _subscribe(
        self, context: ExecutionContext, middleware: MiddlewareManager
    ) -> tuple[Executor, AsyncIterator[Any]] | PreExecutionError | CoreResult:
        """What executes a subscription's events, and these as they come; or why they don't."""
        assert context.graphql_document is not None
        try:
            executor = Executor.build(
                self._schema,
                context.graphql_document,
                context.root_value,
                context.context,
                context.variables,
                context.operation_name,
                middleware=middleware,
            )
            events = await executor.events() if isinstance(executor, Executor) else CoreResult(None, executor)
        except Exception as error:
            return _failed(error)
        return PreExecutionError(None, events.errors) if isinstance(events, CoreResult) else (executor, events)

    async def _execute_operation(self, context: ExecutionContext, *args: Any) -> Any:
        """Queries and mutations, which may take so long and no longer; subscriptions are executed elsewhere."""
        limit_s, plan = context.context.runtime.settings.operation_timeout_s, self._plan_of(context)
        # Plans are for queries alone: what fails by a plan is executed again.
        if plan is None and context.operation_type is OperationType.MUTATION:
            return await _finish(super()._execute_operation(context, *args), limit_s)
        try:
            async with asyncio.timeout(limit_s) as limit, context.context.one_connection():
                if plan is not None:
                    # Whatever goes wrong, graphql-core knows how to tell the client.
                    with suppress(Exception):
                        return CoreResult(await plan.answer(context.context, context.variables), None)
                return await super()._execute_operation(context, *args)
        except TimeoutError:
            if not limit.expired():
                raise
            raise OperationTimedOut("The query took too long. Ask for less at once.", round(limit_s * 1000)) from None

    def _plan_of(self, context: ExecutionContext) -> Plan | None:
        document = self.documents.find(context.query or "")
        operation = get_operation_ast(document.node, context._provided_operation_name) if document else None
        plan = document.plan(operation) if document and operation else None
        return None if plan is None or plan.is_put_aside() else plan

    async def _handle_execution_result(
        self, context: ExecutionContext, result: Any, extensions_runner: SchemaExtensionsRunner, **options: Any
    ) -> ExecutionResult:
        """All results pass here, on every transport: extensions are not told of documents that fail to parse."""
        handled = await super()._handle_execution_result(context, result, extensions_runner, **options)
        if (cost := context.context.cost) and not _is_subscription(context):
            told = {"requested": cost.requested, "remaining": cost.remaining}
            handled.extensions = {"cost": {**told, "restorePerSecond": cost.restore_per_second}}
        if handled.errors:
            handled.errors = [publish(error, context.context.request_id) for error in handled.errors]
        return handled

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry would log every error here, the expected ones too; `schema.errors` logs those that matter."""


def _show(encoder: EventEncoder, send: Callable[[dict[str, Any]], bool], event: object) -> bool:
    data = encoder.encode(event)
    return data is not None and send(data)


def asks_nothing(operation: OperationDefinitionNode) -> bool:
    """Whether it asks for names of the schema alone, which are the same for everybody."""
    selections = operation.selection_set.selections
    return all(isinstance(field, FieldNode) and field.name.value.startswith("__") for field in selections)


def _is_subscription(context: ExecutionContext) -> bool:
    # To find out of which type it is takes longer than to see which it may be.
    subscription = OperationType.SUBSCRIPTION
    return subscription in context.allowed_operations and context.operation_type is subscription


def _failed(error: Exception) -> CoreResult:
    """What to tell of a subscription that its events, or what yields them, have broken."""
    failure = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
    return CoreResult(None, [failure])


async def _finish(executing: Coroutine[Any, Any, T], limit_s: float) -> T:
    """What ``executing`` returns. Whoever is cancelled while waiting for it is so only after its end: a mutation
    happens as a whole, though the client that sent it may have gone.

    Raises:
        OperationTimedOut: it has not come to its end within ``limit_s``. It goes on.
    """
    task = asyncio.create_task(executing)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    try:
        done, _ = await asyncio.wait([task], timeout=limit_s)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise
    if not done:
        raise OperationTimedOut("The mutation takes too long to wait for; it goes on.", round(limit_s * 1000))
    return task.result()

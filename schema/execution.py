"""How operations are executed: Strawberry's schema with what this one needs besides."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import strawberry
from graphql import GraphQLArgument, GraphQLError, GraphQLInputField, GraphQLInputObjectType, Undefined
from graphql.execution import Executor as CoreExecutor
from graphql.type import GraphQLInterfaceType, GraphQLObjectType
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from schema.errors import EXCEPTION_HANDLERS, publish
from schema.scalars import SCALARS

T = TypeVar("T")


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, without what it would keep of every event of a subscription until that ends."""

    def build_per_event_executor(self, payload: Any) -> CoreExecutor[Any]:
        executor = super().build_per_event_executor(payload)
        # Its keys are ids of lists that are made anew for each event, so what one event adds helps no other.
        executor._relevant_sub_fields = {}
        return executor


class DocumentCache(ParserCache):
    """Strawberry's cache of parsed documents; one that can't be parsed it leaves to Strawberry, which tells the client.

    Raised from here, the error would never reach the client of a WebSocket.
    """

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        with suppress(GraphQLError):
            context.graphql_document = self.cached_parse_document(context.query, **context.parse_options)
        yield


class Schema(strawberry.Schema):
    """Strawberry's schema, with our scalars and errors, and parsed and validated documents cached."""

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
            extensions=[DocumentCache, ValidationCache],
            execution_context_class=Executor,
            config=StrawberryConfig(scalar_map=SCALARS),
            exception_handlers=EXCEPTION_HANDLERS,
        )
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

    async def execute(self, *args: Any, **options: Any) -> ExecutionResult:
        """One answer: for queries and mutations, since a subscription has many (``stream``)."""
        options["allowed_operation_types"] = {OperationType.QUERY, OperationType.MUTATION}
        return await super().execute(*args, **options)

    async def _execute_operation(self, context: ExecutionContext, *args: Any) -> Any:
        executing = super()._execute_operation(context, *args)
        return await (_finish(executing) if context.operation_type is OperationType.MUTATION else executing)

    async def _handle_execution_result(
        self, context: ExecutionContext, result: Any, extensions_runner: SchemaExtensionsRunner, **options: Any
    ) -> ExecutionResult:
        """All results pass here, on every transport: extensions are not told of documents that fail to parse."""
        handled = await super()._handle_execution_result(context, result, extensions_runner, **options)
        if handled.errors:
            handled.errors = [publish(error, context.context.request_id) for error in handled.errors]
        return handled

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry would log every error here, the expected ones too; `schema.errors` logs those that matter."""


async def _finish(executing: Coroutine[Any, Any, T]) -> T:
    """What ``executing`` returns. Whoever is cancelled while waiting for it is so only after its end: a mutation
    happens as a whole, though the client that sent it may have gone.
    """
    task = asyncio.create_task(executing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise

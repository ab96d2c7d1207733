"""How operations are executed: Strawberry's schema with what this one needs besides."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

import strawberry
from graphql import (
    DocumentNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    Undefined,
    get_operation_ast,
    validate,
)
from graphql import OperationType as GraphQLOperationType
from graphql.execution import ExecutionResult as CoreResult
from graphql.execution import Executor as CoreExecutor
from graphql.type import GraphQLInterfaceType, GraphQLObjectType
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from schema.errors import EXCEPTION_HANDLERS, publish
from schema.event_encoder import EventEncoder
from schema.scalars import SCALARS


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which need not work for most events of a subscription, and keeps nothing of them."""

    @cached_property
    def _encoder(self) -> EventEncoder:
        return EventEncoder(self)

    def build_per_event_executor(self, payload: Any) -> CoreExecutor[Any]:
        data = self._encoder.encode(payload)
        if data is not None:
            return cast(CoreExecutor[Any], _Executed(CoreResult(data)))
        executor = super().build_per_event_executor(payload)
        # Its keys are ids of lists that are made anew for each event, so what one event adds helps no other.
        executor._relevant_sub_fields = {}
        return executor


class _Executed:
    """In place of an executor: an event's result that is known already."""

    def __init__(self, result: CoreResult) -> None:
        self._result = result

    def execute_operation(self, serially: bool | None = None) -> CoreResult:
        return self._result


class DocumentCache(ParserCache):
    """Strawberry's cache of parsed documents; one that can't be parsed it leaves to Strawberry, which tells the client.

    Raised from here, the error would never reach the client of a WebSocket.
    """

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        with suppress(GraphQLError):
            context.graphql_document = self.cached_parse_document(context.query, **context.parse_options)
        yield


def _parse(document: str) -> DocumentNode | None:
    with suppress(GraphQLError, RecursionError):
        return cast(DocumentNode, DocumentCache().cached_parse_document(document))
    return None


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

    def is_valid(self, document: str) -> bool:
        """Whether this is a document that the schema can execute, as far as that can be told without variables."""
        parsed = _parse(document)
        return parsed is not None and not validate(self._schema, parsed)

    @staticmethod
    def is_subscription(document: str | None, operation_name: str | None) -> bool:
        """Whether the operation that is asked for has many results; not so where none can be made out."""
        parsed = _parse(document) if document else None
        operation = get_operation_ast(parsed, operation_name) if parsed else None
        return operation is not None and operation.operation is GraphQLOperationType.SUBSCRIPTION

    async def execute(self, *args: Any, **options: Any) -> ExecutionResult:
        """One answer: for queries and mutations, since a subscription has many (``stream``)."""
        options["allowed_operation_types"] = {OperationType.QUERY, OperationType.MUTATION}
        return await super().execute(*args, **options)

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

"""How one operation is executed: graphql-core's executor, with short ways for what needs no execution."""

from collections.abc import AsyncIterable, AsyncIterator
from functools import cached_property
from typing import Any, cast

from graphql import DocumentNode, GraphQLSchema, create_source_event_stream, execute_subscription_event
from graphql.execution import ExecutionResult
from graphql.execution import Executor as CoreExecutor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from graphql.type import GraphQLObjectType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context
from schema.event_encoder import EventEncoder
from schema.leaves import Leaf, LongWay, leaf_of, value_of


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, with short ways for objects and events of which only leaves are selected.

    It keeps nothing of events that are over.
    """

    @classmethod
    def build(  # type: ignore[override]  # it takes all that the base class takes
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root: Any = None,
        context: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        """As the base class, but what is wrong with variables names what is meant only where introspection is on."""
        if isinstance(context, Context):
            more["hide_suggestions"] = not context.runtime.settings.introspection
        return super().build(schema, document, root, context, *rest, **more)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # By the id of what is selected: that, and its leaves if it has no others.
        self._leaves: dict[int, tuple[object, list[Leaf] | None]] = {}

    @cached_property
    def encoder(self) -> EventEncoder:
        """The short way to the answers to a subscription's events."""
        return EventEncoder(self)

    async def events(self) -> AsyncIterator[Any] | ExecutionResult:
        """The events of a subscription, as its resolver yields them; or the errors that keep it from beginning."""
        source = create_source_event_stream(self)
        found = cast(AsyncIterable[Any] | ExecutionResult, await source if self.is_awaitable(source) else source)
        return found if isinstance(found, ExecutionResult) else aiter(found)

    async def execute_event(self, event: object) -> ExecutionResult:
        """The answer to one of a subscription's events."""
        result = execute_subscription_event(self.build_per_event_executor(event))
        return await result if self.is_awaitable(result) else cast(ExecutionResult, result)

    def build_per_event_executor(self, payload: Any) -> CoreExecutor[Any]:
        executor = super().build_per_event_executor(payload)
        # Its keys are ids of lists that are made anew for each event, so what one event adds helps no other.
        executor._relevant_sub_fields = {}
        cast(Executor, executor)._leaves = {}
        return executor

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: dict[str, list[FieldDetails]],
        position_context: Any,
    ) -> Any:
        """As the base class; in one go where all fields are leaves that are read from attributes."""
        known = self._leaves.get(id(grouped_field_set))
        if known is None:
            # The fields are kept along, so that their id remains theirs.
            known = self._leaves[id(grouped_field_set)] = grouped_field_set, _leaves_of(parent_type, grouped_field_set)
        if known[1] is not None and source_value is not None and self.middleware_manager is None:
            try:
                return {leaf.key: value_of(source_value, leaf) for leaf in known[1]}
            except Exception:
                # Whatever it was, the base class knows how to tell the client.
                self._leaves[id(grouped_field_set)] = grouped_field_set, None
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)


def _leaves_of(parent: GraphQLObjectType, fields: dict[str, list[FieldDetails]]) -> list[Leaf] | None:
    try:
        return [leaf_of(parent, key, details) for key, details in fields.items()]
    except LongWay:
        return None

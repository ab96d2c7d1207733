"""graphql-core's executor, with short ways for what it does most often."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, cast

from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    create_source_event_stream,
    execute_subscription_event,
    get_nullable_type,
)
from graphql.execution import ExecutionResult
from graphql.execution import Executor as CoreExecutor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context
from schema.leaves import Leaf, answers_of, columns_of, leaf_of, value_of
from schema.shortcuts import LongWay


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
        if self.middleware_manager is not None and not self.middleware_manager.middlewares:
            # Strawberry always brings a manager. One of nothing only costs time, and keeps from the short ways.
            self.middleware_manager = None
        # By the id of a selected field: that, kept so that its id remains its own, and how to answer it as a leaf.
        self._leaves: dict[int, tuple[object, Leaf | None]] = {}

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Made for who asks. The base class would keep them, and they it: a cycle for each operation."""
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, _: GraphQLResolveInfoHelpers) -> None:
        pass

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

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """As the base class; in one go for a leaf that is read from an attribute."""
        leaf = self._leaf(parent_type, path.key, field_details_list)
        if leaf is not None:
            # Whatever goes wrong, the base class knows how to tell the client.
            with suppress(Exception):
                return value_of(source, leaf)
        return super().execute_field(parent_type, source, field_details_list, path, position_context)

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """As the base class; in one go for a list of objects of one type of which only such leaves are selected."""
        kind = get_nullable_type(item_type)
        if isinstance(kind, GraphQLObjectType) and (columns := columns_of(kind, items)) is not None:
            fields, defers, *_ = self.collect_subfields(kind, field_details_list)
            leaves = [self._leaf(kind, key, details) for key, details in fields.items()]
            if leaves and not defers and None not in leaves:
                with suppress(Exception):
                    return answers_of(columns, cast(list[Leaf], leaves))
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)

    def _leaf(self, parent: GraphQLObjectType, key: Any, details: list[FieldDetails]) -> Leaf | None:
        """How to answer this field in one go; None where there is more to do for it."""
        known = self._leaves.get(id(details))
        if known is None:
            try:
                leaf = None if self.middleware_manager else leaf_of(parent, key, details)
            except LongWay:
                leaf = None
            known = self._leaves[id(details)] = details, leaf
        return known[1]

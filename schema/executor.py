"""graphql-core's executor, with short ways for what it does most often."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    get_nullable_type,
)
from graphql.execution import ExecutionResult as CoreResult
from graphql.execution import Executor as CoreExecutor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context
from schema.event_encoder import EventEncoder
from schema.leaves import Leaf, LongWay, all_of, answers_of, leaf_of, value_of


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
        if isinstance(kind, GraphQLObjectType) and isinstance(items, list) and all_of(kind, items):
            fields, defers, *_ = self.collect_subfields(kind, field_details_list)
            leaves = [self._leaf(kind, key, details) for key, details in fields.items()]
            if leaves and not defers and None not in leaves:
                with suppress(Exception):
                    return answers_of(items, cast(list[Leaf], leaves))
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


class _Executed:
    """In place of an executor: an event's result that is known already."""

    def __init__(self, result: CoreResult) -> None:
        self._result = result

    def execute_operation(self, serially: bool | None = None) -> CoreResult:
        return self._result

"""Answers to a subscription's events, for events of which only leaves are selected; most are such.

graphql-core executes the selection anew for each event, which costs more than all else that is done for it. What it
would find is the same each time, given the type of the event: so it is looked up once for each type that comes. Where
that could make a difference (fields with resolvers of their own, arguments, objects within, errors), there is no such
short way, and the caller is to go the long one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLNamedOutputType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import CollectedFields, FieldDetails, collect_fields, collect_subfields
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import get_object_definition
from strawberry.types.field import StrawberryField


class _Leaf(NamedTuple):
    """One field of the answer. ``typename``: what to say, for ``__typename``; otherwise ``attribute`` is asked for."""

    key: str
    typename: str | None
    attribute: str
    is_nullable: bool
    coerce: Callable[[Any], Any]


class _Root(NamedTuple):
    """The subscription's only field: its name in the answer, what it may be, and its selections."""

    key: str
    type: GraphQLNamedOutputType
    fields: list[FieldDetails]


class _LongWay(Exception):
    """The executor has to do it."""


class EventEncoder:
    """What ``executor``, that of a whole subscription, would answer to each of its events."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        # None: the long way.
        self._leaves: dict[type, list[_Leaf] | None] = {}
        self._root = _root_field(executor)

    def encode(self, event: object) -> dict[str, Any] | None:
        """The answer's ``data``, for an encoder of JSON; None where the executor has to find it, and its errors."""
        kind = type(event)
        if kind not in self._leaves:
            self._leaves[kind] = self._compile(kind)
        leaves = self._leaves[kind]
        if leaves is None or self._root is None:
            return None
        try:
            return {self._root.key: {leaf.key: _value(event, leaf) for leaf in leaves}}
        except Exception:
            # Whatever it was, the executor knows how to tell the client.
            return None

    def _compile(self, kind: type) -> list[_Leaf] | None:
        definition, executor = get_object_definition(kind), self._executor
        if definition is None or self._root is None:
            return None
        runtime_type = executor.schema.get_type(definition.name)
        if not isinstance(runtime_type, GraphQLObjectType) or not _may_be(executor, self._root.type, runtime_type):
            return None
        try:
            collected = collect_subfields(
                executor.schema,
                executor.fragments,
                executor.variable_values,
                executor.operation,
                runtime_type,
                self._root.fields,
                executor.hide_suggestions,
            )
            return [_leaf(runtime_type, key, fields) for key, fields in _grouped(collected).items()]
        except (_LongWay, GraphQLError, RecursionError):
            return None


def _may_be(executor: Executor[Any], wanted: GraphQLNamedOutputType, kind: GraphQLObjectType) -> bool:
    return kind is wanted or (is_abstract_type(wanted) and executor.schema.is_sub_type(wanted, kind))


def _root_field(executor: Executor[Any]) -> _Root | None:
    root_type = executor.schema.subscription_type
    # Strawberry always brings a manager, most often of no middleware at all.
    middleware = executor.middleware_manager is not None and executor.middleware_manager.middlewares
    if root_type is None or middleware or executor.abort_signal:
        return None
    try:
        collected = collect_fields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            root_type,
            executor.operation,
            executor.hide_suggestions,
        )
        [(key, fields)] = _grouped(collected).items()
        kind = get_nullable_type(root_type.fields[fields[0].node.name.value].type)
    except (_LongWay, GraphQLError, RecursionError, LookupError, ValueError):
        return None
    return _Root(key, kind, fields)


def _grouped(collected: CollectedFields) -> dict[str, list[FieldDetails]]:
    if collected.new_defer_usages:
        raise _LongWay
    return collected.grouped_field_set


def _leaf(parent: GraphQLObjectType, key: str, fields: list[FieldDetails]) -> _Leaf:
    node = fields[0].node
    if node.name.value == "__typename":
        return _Leaf(key, parent.name, "", False, str)
    definition = parent.fields[node.name.value]
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    kind: GraphQLOutputType = get_nullable_type(definition.type)
    if not isinstance(field, StrawberryField) or not field.is_basic_field or definition.args or not is_leaf_type(kind):
        raise _LongWay
    is_nullable = not isinstance(definition.type, GraphQLNonNull)
    return _Leaf(key, None, field.python_name, is_nullable, kind.coerce_output_value)


def _value(event: object, leaf: _Leaf) -> Any:
    if leaf.typename is not None:
        return leaf.typename
    value = getattr(event, leaf.attribute)
    if value is None and leaf.is_nullable:
        return None
    coerced = leaf.coerce(value)
    if value is None or coerced is None or coerced is Undefined:
        raise _LongWay
    return coerced

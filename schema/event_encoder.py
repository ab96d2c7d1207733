"""Answers to a subscription's events, for events of which only leaves are selected; most are such.

graphql-core executes the selection anew for each event, which costs more than all else that is done for it. What it
would find is the same each time, given the type of the event: so it is looked up once for each type that comes. Where
that could make a difference (fields with resolvers of their own, arguments, objects within, errors), there is no such
short way, and the caller is to go the long one.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLNamedOutputType,
    GraphQLObjectType,
    get_nullable_type,
    is_abstract_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import CollectedFields, FieldDetails, collect_fields, collect_subfields
from strawberry.types.base import get_object_definition

from schema.leaves import Leaf, leaf_of, value_of
from schema.shortcuts import BYTES_PER_LEAF, Allowance, LongWay


class _Root(NamedTuple):
    """The subscription's only field: its name in the answer, what it may be, and its selections."""

    key: str
    type: GraphQLNamedOutputType
    fields: list[FieldDetails]


class KnownLeaves:
    """How to answer events, by their class; None: the long way."""

    def __init__(self, allowance: Allowance) -> None:
        """``allowance``: what it may take in memory."""
        self._allowance = allowance
        self._by_kind: dict[type, list[Leaf] | None] = {}

    def of(self, kind: type, find: Callable[[type], list[Leaf]]) -> list[Leaf] | None:
        """Those of a class, which ``find`` finds once; it raises LongWay or a GraphQLError where there are none."""
        if kind not in self._by_kind:
            self._by_kind[kind] = None
            with suppress(LongWay, GraphQLError, RecursionError):
                leaves = find(kind)
                self._allowance.take(len(leaves) * BYTES_PER_LEAF)
                self._by_kind[kind] = leaves
        return self._by_kind[kind]


class EventEncoder:
    """What ``executor``, that of a whole subscription, would answer to each of its events."""

    def __init__(self, executor: Executor[Any], known: KnownLeaves | None = None) -> None:
        """``known``: what others have found out about the same operation, and may be told."""
        self._executor = executor
        self._root = _root_field(executor)
        self._known = KnownLeaves(Allowance(math.inf)) if known is None else known

    def encode(self, event: object) -> dict[str, Any] | None:
        """The answer's ``data``, for an encoder of JSON; None where the executor has to find it, and its errors."""
        if self._root is None or (leaves := self._known.of(type(event), self._leaves_of)) is None:
            return None
        try:
            return {self._root.key: {leaf.key: value_of(event, leaf) for leaf in leaves}}
        except Exception:
            # Whatever it was, the executor knows how to tell the client.
            return None

    def _leaves_of(self, kind: type) -> list[Leaf]:
        """See `KnownLeaves.of`."""
        definition, executor = get_object_definition(kind), self._executor
        if definition is None or self._root is None:
            raise LongWay
        runtime_type = executor.schema.get_type(definition.name)
        if not isinstance(runtime_type, GraphQLObjectType) or not _may_be(executor, self._root.type, runtime_type):
            raise LongWay
        collected = collect_subfields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            executor.operation,
            runtime_type,
            self._root.fields,
            executor.hide_suggestions,
        )
        return [leaf_of(runtime_type, key, fields) for key, fields in _grouped(collected).items()]


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
    except (LongWay, GraphQLError, RecursionError, LookupError, ValueError):
        return None
    return _Root(key, kind, fields)


def _grouped(collected: CollectedFields) -> dict[str, list[FieldDetails]]:
    if collected.new_defer_usages:
        raise LongWay
    return collected.grouped_field_set

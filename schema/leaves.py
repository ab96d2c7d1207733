"""Objects of which only leaves are selected, completed in one go.

graphql-core takes every field through the same steps, which cost ten times what most fields do: reading an attribute.
Which fields these are is the same for all objects of a list, and for all events of a subscription, so it is found out
once. Where that could make a difference (fields with resolvers of their own, arguments, objects within, errors), there
is no such short way, and the caller is to go the long one.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField


class Leaf(NamedTuple):
    """One field of the answer. ``typename``: what to say, for ``__typename``; otherwise ``attribute`` is asked for."""

    key: str
    typename: str | None
    attribute: str
    is_nullable: bool
    coerce: Callable[[Any], Any]


class LongWay(Exception):
    """The executor has to do it."""


def leaf_of(parent: GraphQLObjectType, key: str, fields: list[FieldDetails]) -> Leaf:
    """How to answer a field of ``parent``, under the name ``key``.

    Raises:
        LongWay: more is to be done for it than to read an attribute.
    """
    node = fields[0].node
    if node.name.value == "__typename":
        return Leaf(key, parent.name, "", False, str)
    definition = parent.fields.get(node.name.value)
    if definition is None:
        raise LongWay
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    kind: GraphQLOutputType = get_nullable_type(definition.type)
    if not isinstance(field, StrawberryField) or not field.is_basic_field or definition.args or not is_leaf_type(kind):
        raise LongWay
    is_nullable = not isinstance(definition.type, GraphQLNonNull)
    coerce = _Names(kind).__getitem__ if isinstance(kind, GraphQLEnumType) else kind.coerce_output_value
    return Leaf(key, None, field.python_name, is_nullable, coerce)


class _Names(dict[Any, Any]):
    """The names of an enum's values, each looked up once."""

    def __init__(self, kind: GraphQLEnumType) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, value: Any) -> Any:
        name = self[value] = self._kind.coerce_output_value(value)
        return name


def value_of(source: object, leaf: Leaf) -> Any:
    """What ``source`` has for a leaf. Raises LongWay, or anything, for what the executor has an error for."""
    if leaf.typename is not None:
        return leaf.typename
    value = getattr(source, leaf.attribute)
    if value is None and leaf.is_nullable:
        return None
    coerced = leaf.coerce(value)
    if value is None or coerced is None or coerced is Undefined:
        raise LongWay
    return coerced


def all_of(kind: GraphQLObjectType, objects: Sequence[object]) -> bool:
    """Whether these are plainly objects of the class that ``kind`` was made of, so that no other type is meant."""
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return isinstance(definition, StrawberryObjectDefinition) and {*map(type, objects)} == {definition.origin}


def answers_of(sources: Sequence[object], leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """What each of many objects has for the same leaves, one or more; raises as `value_of` does.

    Leaf by leaf, not object by object: most of the work is then done without a step of the interpreter for each value.
    """
    keys = [leaf.key for leaf in leaves]
    columns = [_values_of(sources, leaf) for leaf in leaves]
    return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


def _values_of(sources: Sequence[object], leaf: Leaf) -> list[Any]:
    if leaf.typename is not None:
        return [leaf.typename] * len(sources)
    values = list(map(attrgetter(leaf.attribute), sources))
    # Undefined, which stands for no value either, equals None.
    nulls = values.count(None)
    if nulls and not leaf.is_nullable:
        raise LongWay
    coerce = leaf.coerce
    if nulls:
        coerced = [None if value is None or value is Undefined else coerce(value) for value in values]
    else:
        coerced = list(map(coerce, values))
    if coerced.count(None) != nulls:
        raise LongWay
    return coerced

"""Objects of which only leaves are selected, completed in one go.

graphql-core takes every field through the same steps, which cost ten times what most fields do: reading an attribute.
Which fields these are is the same for all objects of a list, and for all events of a subscription, so it is found out
once. Where that could make a difference (fields with resolvers of their own, arguments, objects within, errors), there
is no such short way, and the caller is to go the long one.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLID,
    GraphQLLeafType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    Undefined,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from schema.scalars import are_utc, print_datetime
from schema.shortcuts import LongWay


class Leaf(NamedTuple):
    """One field of the answer. ``typename``: what to say, for ``__typename``; otherwise ``attribute`` is asked for."""

    key: str
    typename: str | None
    attribute: str
    is_nullable: bool
    coerce: Callable[[Any], Any]


def leaf_of(parent: GraphQLObjectType, key: str, fields: list[FieldDetails]) -> Leaf:
    """How to answer a field of ``parent``, under the name ``key``.

    Raises:
        LongWay: more is to be done for it than to read an attribute.
    """
    name = fields[0].node.name.value
    if name == "__typename":
        return Leaf(key, parent.name, "", False, str)
    leaf = _leaf_named(parent, name)
    if leaf is None:
        raise LongWay
    return leaf if key == name else leaf._replace(key=key)


@cache
def _leaf_named(parent: GraphQLObjectType, name: str) -> Leaf | None:
    """A field as such; None where it is no leaf, or unknown, or has a resolver or arguments."""
    definition = parent.fields.get(name)
    if definition is None:
        return None
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    kind: GraphQLOutputType = get_nullable_type(definition.type)
    if not isinstance(field, StrawberryField) or not field.is_basic_field or definition.args or not is_leaf_type(kind):
        return None
    is_nullable = not isinstance(definition.type, GraphQLNonNull)
    return Leaf(name, None, field.python_name, is_nullable, coercion(kind))


def coercion(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """What makes answers of values of a scalar or an enum."""
    return _Names(kind).__getitem__ if isinstance(kind, GraphQLEnumType) else kind.coerce_output_value


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


class Columns(Iterable[Any]):
    """Objects of one class, of all of which an attribute can be read at once."""

    kind: type

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def values(self, attribute: str) -> Sequence[Any]:
        """What each of them has for it."""

    def moments(self, attribute: str) -> Sequence[str | None] | None:
        """The same as `scalars.print_datetime` writes it, if that is to be had at once."""
        return None


class _Listed(Columns):
    """Those of a list, with nothing else in it."""

    def __init__(self, kind: type, objects: list[Any]) -> None:
        self.kind = kind
        self._objects = objects

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._objects)

    def values(self, attribute: str) -> list[Any]:
        return list(map(attrgetter(attribute), self._objects))


def _are_text(values: Sequence[Any]) -> bool:
    return {*map(type, values)} <= {str, NoneType}


# By what coerces values: whether there is nothing to be done for a whole column of them.
_STAYS: dict[Callable[[Any], Any], Callable[[Sequence[Any]], bool]] = {
    GraphQLString.coerce_output_value: _are_text,
    GraphQLID.coerce_output_value: _are_text,
    print_datetime: are_utc,
}


def columns_of(kind: GraphQLObjectType, objects: Iterable[Any]) -> Columns | None:
    """The same objects, if they are plainly of the class that ``kind`` was made of, so that no other type is meant."""
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryObjectDefinition):
        return None
    if isinstance(objects, Columns):
        return objects if objects.kind is definition.origin else None
    if isinstance(objects, list) and {*map(type, objects)} == {definition.origin}:
        return _Listed(definition.origin, objects)
    return None


def answers_of(sources: Columns, leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """What each of many objects has for the same leaves, one or more, for an encoder of JSON (`scalars.write_json`);
    raises as `value_of` does.

    Leaf by leaf, not object by object: most of the work is then done without a step of the interpreter for each value.
    """
    # Copies have room for all that comes.
    template: dict[str, Any] = dict.fromkeys([leaf.key for leaf in leaves])
    answers = list(map(dict.copy, repeat(template, len(sources))))
    for leaf in leaves:
        key = leaf.key
        for answer, value in zip(answers, _values_of(sources, leaf), strict=True):
            answer[key] = value
    return answers


def _values_of(sources: Columns, leaf: Leaf) -> Sequence[Any]:
    if leaf.typename is not None:
        return [leaf.typename] * len(sources)
    printed = sources.moments(leaf.attribute) if leaf.coerce is print_datetime else None
    values = sources.values(leaf.attribute) if printed is None else printed
    # Undefined, which stands for no value either, equals None.
    nulls = values.count(None)
    if nulls and not leaf.is_nullable:
        raise LongWay
    coerce, stays = leaf.coerce, _STAYS.get(leaf.coerce)
    if printed is not None or (stays and stays(values)):
        return values
    if nulls:
        coerced = [None if value is None or value is Undefined else coerce(value) for value in values]
    else:
        coerced = list(map(coerce, values))
    if coerced.count(None) != nulls:
        raise LongWay
    return coerced

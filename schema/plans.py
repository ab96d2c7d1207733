"""Queries that are answered by a plan, made once for each operation of a document.

graphql-core and Strawberry find out for each request anew what is to be done for each field, which takes longer than to
do it. A plan knows which fields an object has, which of them are read and which are resolved, with which arguments, and
what becomes of what they come to. It cannot fail in ways of its own: where something goes wrong, or is asked that no
plan covers, graphql-core is to execute the query from the beginning, and tells the client what is wrong. Resolvers of
queries change nothing, so they can be called again; those that are no coroutine functions wait for nothing.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationType,
    Undefined,
    get_nullable_type,
    is_leaf_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import Info
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from schema.arguments import Arguments, Variables
from schema.leaves import Columns, Leaf, answers_of, coercion, columns_of, leaf_of, value_of
from schema.operations import Asked, Details, Operation
from schema.shortcuts import BYTES_PER_FIELD, LongWay

# So many queries in a row at most are not answered by a plan that keeps failing.
MOST_PUT_ASIDE = 64


class Plan:
    """How to answer a query."""

    def __init__(self, operation: Operation) -> None:
        """For one without directives. Raises LongWay where there is no plan for it, as for what is no query."""
        kind = operation.schema.query_type
        if operation.node.operation is not OperationType.QUERY or kind is None:
            raise LongWay
        self._variables = Variables(operation.schema, operation.node)
        self._root = _Object(_Planning(operation), kind, operation.fields(kind))
        # How many queries are left to graphql-core, and were when it failed last: twice as many each time.
        self._put_aside, self._pause = 0, 1

    def is_put_aside(self) -> bool:
        """Whether this query is to be executed instead, as earlier ones had to be: what a plan failed for, such as a
        field that is not for its reader, is mostly there the next time, too, and all would be done twice again.
        """
        if not self._put_aside:
            return False
        self._put_aside -= 1
        return True

    async def answer(self, context: Any, given: dict[str, Any] | None) -> dict[str, Any]:
        """The data, for an encoder of JSON: `scalars.write_json`. Raises LongWay or anything else where the query is to
        be executed instead; nothing of it goes on then.
        """
        try:
            answer = await self._answer(Asked(context, self._variables.coerce(given or {})))
        except Exception:
            self._put_aside = self._pause = min(2 * self._pause, MOST_PUT_ASIDE)
            raise
        self._pause = 1
        return answer

    async def _answer(self, asked: Asked) -> dict[str, Any]:
        if self._root.is_async:
            return await self._root.answer_later(None, asked, None)
        return self._root.answer(None, asked, None)


class _Planning:
    """What a plan is made with. What fragments select is planned once, in however many places they are spread."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._objects: dict[Hashable, _Object] = {}
        self._arguments: dict[Hashable, Arguments] = {}

    def object(self, kind: GraphQLObjectType, details: Details) -> "_Object":
        """What is asked of the objects that fields come to."""
        key = kind.name, *(id(detail.node) for detail in details)
        if key not in self._objects:
            self._objects[key] = _Object(self, kind, self.operation.fields(kind, details))
        return self._objects[key]

    def arguments(self, field: StrawberryField, definition: GraphQLField, node: FieldNode) -> Arguments:
        """Those of a field as it stands in the text, which may be long."""
        key = id(definition), id(node)
        if key not in self._arguments:
            self._arguments[key] = Arguments(self.operation.converter, field, definition, node)
        return self._arguments[key]


class _Object:
    """Objects of one type, of each of which the same is asked."""

    def __init__(self, planning: _Planning, kind: GraphQLObjectType, fields: Mapping[str, Details]) -> None:
        definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(definition, StrawberryObjectDefinition):
            raise LongWay
        self.kind = kind
        self._origin = definition.origin if kind.is_type_of else None
        self._template = dict.fromkeys(fields)
        self.leaves: list[Leaf] = []
        others = []
        for key, details in fields.items():
            try:
                self.leaves.append(leaf_of(kind, key, details))
            except LongWay:
                others.append(_Field(planning, kind, key, details))
        self._now = [field for field in others if not field.is_async]
        self._later = [field for field in others if field.is_async]
        self.is_async = bool(self._later)
        self.has_leaves_only = not others

    def answer(self, source: Any, asked: Asked, path: Path | None) -> dict[str, Any]:
        """All but what has to be waited for."""
        if self._origin is not None and type(source) is not self._origin:
            raise LongWay
        answer: dict[str, Any] = self._template.copy()
        for leaf in self.leaves:
            answer[leaf.key] = value_of(source, leaf)
        for field in self._now:
            answer[field.key] = field.answer(source, asked, path)
        return answer

    async def answer_later(self, source: Any, asked: Asked, path: Path | None) -> dict[str, Any]:
        """All, where something has to be waited for."""
        answer = self.answer(source, asked, path)
        waiting = [field.answer_later(source, asked, path) for field in self._later]
        for field, value in zip(self._later, await _all(waiting), strict=True):
            answer[field.key] = value
        return answer


async def _all(waiting: Sequence[Awaitable[Any]]) -> list[Any]:
    """What they come to, once all of them have come to their end."""
    if len(waiting) == 1:
        return [await waiting[0]]
    values = await asyncio.gather(*waiting, return_exceptions=True)
    for value in values:
        if isinstance(value, BaseException):
            raise value
    return values


class _Field:
    """A field that is more than a leaf that is read from an attribute."""

    def __init__(self, planning: _Planning, parent: GraphQLObjectType, key: str, details: Details) -> None:
        operation = planning.operation
        definition = operation.schema.get_field(parent, details[0].node.name.value)
        field = definition and definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if definition is None or not isinstance(field, StrawberryField) or field.extensions:
            raise LongWay
        operation.allowance.take(BYTES_PER_FIELD)
        self.key = key
        self._operation, self._parent, self._definition, self._field = operation, parent, definition, field
        self._nodes = [detail.node for detail in details]
        self._value = _value(planning, definition.type, details)
        is_resolved = field.base_resolver is not None
        self._arguments = planning.arguments(field, definition, self._nodes[0]) if is_resolved else None
        self.is_async = field.is_async or self._value.is_async

    def answer(self, source: Any, asked: Asked, path: Path | None) -> Any:
        path = Path(path, self.key, self._parent.name)
        return self._value.complete(self._resolve(source, asked, path), asked, path)

    async def answer_later(self, source: Any, asked: Asked, path: Path | None) -> Any:
        path = Path(path, self.key, self._parent.name)
        value = self._resolve(source, asked, path)
        if self._field.is_async:
            value = await value
        if self._value.is_async:
            return await self._value.complete_later(value, asked, path)
        return self._value.complete(value, asked, path)

    def _resolve(self, source: Any, asked: Asked, path: Path) -> Any:
        resolver = self._field.base_resolver
        if resolver is None or self._arguments is None:
            return getattr(source, self._field.python_name)
        info: Info[Any, Any] = Info(
            self._operation.info(self._parent, self._definition, self._nodes, asked, path), self._field
        )
        positional, named = self._arguments.of(source, info, asked.variables)
        return resolver(*positional, **named)


class _Value(ABC):
    """What becomes of what a field comes to."""

    is_async = False

    def __init__(self, is_nullable: bool) -> None:
        self._is_nullable = is_nullable

    def complete(self, value: Any, asked: Asked, path: Path) -> Any:
        return None if self._is_null(value) else self._complete(value, asked, path)

    async def complete_later(self, value: Any, asked: Asked, path: Path) -> Any:
        """The same, where something has to be waited for."""
        return None if self._is_null(value) else await self._complete_later(value, asked, path)

    def _is_null(self, value: Any) -> bool:
        if value is not None and value is not Undefined and not isinstance(value, Exception):
            return False
        if not self._is_nullable or isinstance(value, Exception):
            raise LongWay
        return True

    @abstractmethod
    def _complete(self, value: Any, asked: Asked, path: Path) -> Any: ...

    async def _complete_later(self, value: Any, asked: Asked, path: Path) -> Any:
        return self._complete(value, asked, path)


class _LeafValue(_Value):
    def __init__(self, is_nullable: bool, coerce: Callable[[Any], Any]) -> None:
        super().__init__(is_nullable)
        self._coerce = coerce

    def _complete(self, value: Any, asked: Asked, path: Path) -> Any:
        coerced = self._coerce(value)
        if coerced is None or coerced is Undefined:
            raise LongWay
        return coerced


class _ObjectValue(_Value):
    def __init__(self, is_nullable: bool, object: _Object) -> None:
        super().__init__(is_nullable)
        self.object = object
        self.is_async = object.is_async

    def _complete(self, value: Any, asked: Asked, path: Path) -> Any:
        return self.object.answer(value, asked, path)

    async def _complete_later(self, value: Any, asked: Asked, path: Path) -> Any:
        return await self.object.answer_later(value, asked, path)


class _ListValue(_Value):
    def __init__(self, is_nullable: bool, item: _Value) -> None:
        super().__init__(is_nullable)
        self._item = item
        self.is_async = item.is_async

    def _complete(self, value: Any, asked: Asked, path: Path) -> Any:
        if isinstance(self._item, _ObjectValue) and self._item.object.has_leaves_only:
            columns = columns_of(self._item.object.kind, value)
            if columns is not None:
                return answers_of(columns, self._item.object.leaves)
        return [self._item.complete(item, asked, at) for item, at in _placed(value, path)]

    async def _complete_later(self, value: Any, asked: Asked, path: Path) -> Any:
        return await _all([self._item.complete_later(item, asked, at) for item, at in _placed(value, path)])


def _placed(items: Any, path: Path) -> list[tuple[Any, Path]]:
    if not isinstance(items, list | tuple | Columns):
        raise LongWay
    return [(item, Path(path, index, None)) for index, item in enumerate(items)]


def _value(planning: _Planning, type: GraphQLOutputType, details: Details) -> _Value:
    """Raises LongWay for types whose objects are of one type or another."""
    is_nullable, kind = not isinstance(type, GraphQLNonNull), get_nullable_type(type)
    if isinstance(kind, GraphQLList):
        return _ListValue(is_nullable, _value(planning, kind.of_type, details))
    if isinstance(kind, GraphQLObjectType):
        return _ObjectValue(is_nullable, planning.object(kind, details))
    if is_leaf_type(kind):
        return _LeafValue(is_nullable, coercion(kind))
    raise LongWay

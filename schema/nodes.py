"""Objects with a globally unique id, what of them is read from rows, and how to find any of them by it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from uuid import UUID

import strawberry

from core import ids
from core.errors import ValidationFailed
from core.ids import IdPrefix
from models.base import Row
from models.columns import ColumnRows
from models.records import columns_of, record_class
from resolvers.pages import MAX_PAGE
from schema.fields import field
from schema.info import Info
from schema.leaves import Columns


@strawberry.interface(description="An object with a globally unique id, by which `node` finds it again.")
class Node:
    """A type of objects that are stored as rows of a table::

    class Agent(Node, prefix=IdPrefix.AGENT, table=AgentRow):

    An attribute that is called as a column has its value. ``made``: what makes others of the row, by attribute. Nothing
    is read or made before it is asked for.
    """

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="Unique across all types; begins with the type's prefix.")

    prefix: ClassVar[IdPrefix]
    table: ClassVar[type[Row] | None]
    made: ClassVar[Mapping[str, Callable[[Any], Any]]]
    by_prefix: ClassVar[dict[IdPrefix, type["Node"]]] = {}
    by_table: ClassVar[dict[type[Row], type["Node"]]] = {}

    def __init_subclass__(
        cls,
        *,
        prefix: IdPrefix,
        table: type[Row] | None = None,
        made: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        cls.prefix, cls.table, cls.made = prefix, table, made or {}
        Node.by_prefix[prefix] = cls
        if table is not None:
            Node.by_table[table] = cls

    if not TYPE_CHECKING:  # which would take it for an object that has any attribute

        def __getattr__(self, name: str) -> Any:
            return _reader(type(self), name)(self.row)

    @property
    def key(self) -> UUID:
        key: UUID = self.row.id
        return key

    @classmethod
    def of(cls, row: Any) -> Self:
        """The object that ``row``, of ``table``, stores."""
        node = cls.__new__(cls)
        node.row = row
        return node

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        """The object, or None where the viewer may not see one with this key."""
        row = await info.context.find(cls.table, key) if cls.table else None
        return cls.of(row) if row else None

    @classmethod
    async def find_by_id(cls, info: Info, id: str) -> Self | None:
        """The object of this type, or None where the viewer may not see one under this id.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        info.context.require_principal()
        parsed = ids.parse(id)
        return await cls.find(info, parsed[1]) if parsed and parsed[0] is cls.prefix else None


@cache
def _reader(kind: type[Node], attribute: str) -> Callable[[Any], Any]:
    """What reads an attribute from a row. Raises AttributeError where it is none."""
    if attribute == "id":
        return lambda row: ids.encode(kind.prefix, row.id)
    if attribute in kind.made:
        return kind.made[attribute]
    if kind.table is None or attribute not in kind.table.column_names():
        raise AttributeError(f"{kind.__name__} has no {attribute}")
    return attrgetter(attribute)


class Nodes(Columns):
    """The objects that some rows store, each made when somebody asks for it."""

    kind: type[Node]

    def __init__(self, kind: type[Node], rows: Sequence[Any]) -> None:
        self.kind = kind
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Node]:
        return map(self.kind.of, self._rows)

    def values(self, attribute: str) -> Sequence[Any]:
        if attribute in self.kind.made:
            return self._made(attribute)
        if isinstance(self._rows, ColumnRows):
            return self._ids(self._rows.keys()) if attribute == "id" else self._rows.column(attribute)
        column = self._of_records.get(attribute)
        if column is None:
            return self._made(attribute)
        return self._ids(map(attrgetter("bytes"), column)) if attribute == "id" else column

    def moments(self, attribute: str) -> Sequence[str | None] | None:
        rows = self._rows
        return rows.moments(attribute) if isinstance(rows, ColumnRows) and attribute not in self.kind.made else None

    def _made(self, attribute: str) -> list[Any]:
        """Row by row."""
        return list(map(_reader(self.kind, attribute), self._rows))  # type: ignore[arg-type]  # classes are hashable

    def _ids(self, keys: Iterable[bytes]) -> list[str]:
        return ids.encode_all(self.kind.prefix, keys)

    @cached_property
    def _of_records(self) -> Mapping[str, Sequence[Any]]:
        table = self.kind.table
        if table is None or {*map(type, self._rows)} != {record_class(table)}:
            return {}
        return columns_of(self._rows, table)


def node_of(row: Row) -> Any:
    """The object that ``row`` stores; for fields whose type stands in a module that imports theirs."""
    return Node.by_table[type(row)].of(row)


async def find_node(info: Info, id: str) -> Node | None:
    """The object of whatever type that the viewer may see under this id."""
    info.context.require_principal()
    parsed = ids.parse(id)
    return await Node.by_prefix[parsed[0]].find(info, parsed[1]) if parsed and parsed[0] in Node.by_prefix else None


@strawberry.type
class NodeQuery:
    @field("The object with this id; null where the viewer may not see one.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Of any type.")]
    ) -> Node | None:
        return await find_node(info, id)

    @field("The objects with these ids, in their order; null where the viewer may not see one.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Of any types; at most 100.")],
    ) -> list[Node | None]:
        if len(ids) > MAX_PAGE:
            raise ValidationFailed(f"At most {MAX_PAGE} ids can be asked for at once.", ("ids",))
        return list(await asyncio.gather(*(find_node(info, id) for id in ids)))

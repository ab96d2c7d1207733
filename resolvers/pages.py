"""Pages of long lists, cut with keyset cursors: https://relay.dev/graphql/connections.htm.

A cursor holds the sort keys of its row, so a page starts in the right place however many rows came or went since.
Pages of one list that are asked for at the same time, of the messages of twenty threads, say, are read with one query.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from core.errors import ValidationFailed
from models.base import Q, QuerySet, Row
from models.children import ChildrenStatement, children_by_parent, children_statement, count_by_parent
from resolvers.context import Context

MAX_PAGE = 100

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Order:
    """Sort keys, the last of which makes their values unique; all rise, or all fall."""

    keys: tuple[str, ...]
    descending: bool = False

    def sorting(self, *, backwards: bool) -> list[str]:
        falling = self.descending != backwards
        return [f"-{key}" if falling else key for key in self.keys]

    def beyond(self, values: tuple[Any, ...], *, backwards: bool) -> Q:
        """Rows that come after those ``values``; before them, when ``backwards``."""
        operator = "lt" if self.descending != backwards else "gt"
        *first, last = zip(self.keys, values, strict=True)
        condition = Q(**{f"{last[0]}__{operator}": last[1]})
        for key, value in reversed(first):
            condition = Q(**{f"{key}__{operator}e": value}) & (Q(**{f"{key}__{operator}": value}) | condition)
        return condition


# Ids are ordered by time.
NEWEST_FIRST = Order(("id",), descending=True)
OLDEST_FIRST = Order(("id",))


@dataclass(frozen=True, slots=True)
class Listing(Generic[RowT]):
    """A list of rows of ``table`` that each object of some kind has: those whose column ``parent`` holds its id.

    ``where``: the ORM's filters that they pass besides, with hashable values. ``default``: the size of a page of which
    nobody says how large it is to be.
    """

    table: type[RowT]
    parent: str
    order: Order = NEWEST_FIRST
    where: tuple[tuple[str, Any], ...] = ()
    default: int = 20

    def rows(self) -> QuerySet[RowT]:
        """Those of all parents."""
        return self.table.filter(**dict(self.where))


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """A stretch of a list, in its order; its rows are to be read only. ``count`` counts the whole list, when it is
    asked to.
    """

    rows: Sequence[RowT]
    order: Order
    has_next: bool
    has_previous: bool
    count: Callable[[], Awaitable[int]]

    def cursor(self, row: RowT) -> str:
        """Where that row of the page is."""
        return _encode(row, self.order)


async def page(
    context: Context,
    listing: Listing[RowT],
    parent_id: UUID,
    *,
    first: int | None,
    after: str | None,
    last: int | None = None,
    before: str | None = None,
    columns: frozenset[str] | None = None,
) -> Page[RowT]:
    """The first ``first`` rows of the parent after the cursor ``after`` and before ``before``; of these, ``last`` where
    it is given takes from the end instead. An explicit null for ``first`` means the list's default. ``columns``: all
    that will be read of the rows, so that nothing else has to be fetched; None where that is not known.

    Raises:
        ValidationFailed: a number is not within 1 to 100, or a cursor is none of ours.
    """
    backwards = last is not None
    size = _size(last, "last") if last is not None else _size(listing.default if first is None else first, "first")
    bounds = [
        (_decode(cursor, listing.table, listing.order, name), name == "before")
        for cursor, name in ((after, "after"), (before, "before"))
        if cursor is not None
    ]
    found = await context.batch(_Cut(listing, size + 1, backwards, tuple(bounds), columns), parent_id) or []
    more = len(found) > size
    found = found[:size][::-1] if backwards else found[:size]
    return Page(
        rows=found,
        order=listing.order,
        has_next=before is not None if backwards else more,
        has_previous=more if backwards else after is not None,
        count=lambda: _count(context, listing, parent_id),
    )


@dataclass(frozen=True, slots=True)
class _Cut(Generic[RowT]):
    """The same stretch of the lists of several parents. ``bounds``: sort keys, and whether rows must come before."""

    listing: Listing[RowT]
    size: int
    backwards: bool
    bounds: tuple[tuple[tuple[Any, ...], bool], ...]
    columns: frozenset[str] | None

    async def __call__(self, context: Context, parent_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[RowT]]:
        return await children_by_parent(context.reader(), self.listing.table, _statement(self), parent_ids)


@lru_cache(maxsize=256)
def _statement(cut: _Cut[RowT]) -> ChildrenStatement:
    """That of a cut. First pages are asked for again and again; making it costs as much as all else but the rows."""
    order, rows = cut.listing.order, cut.listing.rows()
    for values, before in cut.bounds:
        rows = rows.filter(order.beyond(values, backwards=before))
    # Cursors and objects need some by themselves.
    columns = None if cut.columns is None else sorted(cut.columns | {"id", *order.keys})
    rows = rows.order_by(*order.sorting(backwards=cut.backwards)).limit(cut.size)
    return children_statement(rows, cut.listing.parent, columns)


@dataclass(frozen=True, slots=True)
class _Count(Generic[RowT]):
    """The lengths of the lists of several parents."""

    listing: Listing[RowT]

    async def __call__(self, context: Context, parent_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        async with context.transaction():
            return await count_by_parent(self.listing.rows(), self.listing.parent, parent_ids)


async def _count(context: Context, listing: Listing[RowT], parent_id: UUID) -> int:
    return await context.batch(_Count(listing), parent_id) or 0


def _size(value: int, name: str) -> int:
    if not 1 <= value <= MAX_PAGE:
        raise ValidationFailed(f"{name} must be within 1 and {MAX_PAGE}.", (name,))
    return value


def _encode(row: Row, order: Order) -> str:
    values = (getattr(row, key) for key in order.keys)
    text = ",".join(value.isoformat() if isinstance(value, datetime) else str(value) for value in values)
    return urlsafe_b64encode(text.encode()).decode()


def _decode(cursor: str, table: type[Row], order: Order, name: str) -> tuple[Any, ...]:
    try:
        texts = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").split(",")
        return tuple(_PARSERS[table.type_of(key)](text) for key, text in zip(order.keys, texts, strict=True))
    except ValueError:
        raise ValidationFailed(f"{name} is not a cursor of this list.", (name,)) from None


def _parse_int(text: str) -> int:
    """As the database's ``int``: nine digits always fit."""
    if len(text) > 9:
        raise ValueError("too many digits")
    return int(text)


def _parse_datetime(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("no offset")
    return value


_PARSERS: dict[type, Callable[[str], Any]] = {UUID: UUID, int: _parse_int, datetime: _parse_datetime}

"""Pages of long lists, cut with keyset cursors: https://relay.dev/graphql/connections.htm.

A cursor holds the sort keys of its row, so a page starts in the right place however many rows came or went since.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from core.errors import ValidationFailed
from models.base import Q, QuerySet, Row
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
class Page(Generic[RowT]):
    """A stretch of a list, in its order. ``count`` counts the whole list, when it is asked to."""

    rows: list[RowT]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    count: Callable[[], Awaitable[int]]


async def page(
    context: Context,
    rows: QuerySet[RowT],
    order: Order = NEWEST_FIRST,
    *,
    first: int | None,
    after: str | None,
    last: int | None = None,
    before: str | None = None,
    default: int = 20,
) -> Page[RowT]:
    """The first ``first`` of ``rows`` after the cursor ``after`` and before ``before``; of these, ``last`` where it is
    given takes from the end instead. ``default`` is what an explicit null for ``first`` means.

    Raises:
        ValidationFailed: a number is not within 1 to 100, or a cursor is none of ours.
    """
    backwards = last is not None
    size = _size(last, "last") if last is not None else _size(default if first is None else first, "first")
    wanted = rows
    for cursor, name in ((after, "after"), (before, "before")):
        if cursor is not None:
            values = _decode(cursor, rows.model, order, name)
            wanted = wanted.filter(order.beyond(values, backwards=name == "before"))
    async with context.transaction():
        found = await wanted.order_by(*order.sorting(backwards=backwards)).limit(size + 1)
    more = len(found) > size
    found = found[:size][::-1] if backwards else found[:size]
    return Page(
        rows=found,
        cursors=[_encode(row, order) for row in found],
        has_next=before is not None if backwards else more,
        has_previous=more if backwards else after is not None,
        count=lambda: _count(context, rows),
    )


async def _count(context: Context, rows: QuerySet[RowT]) -> int:
    async with context.transaction():
        return await rows.count()


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

"""Long lists as columns: one value from the database for each, in place of one for each row and column.

The driver, and the interpreter, then do a few things for each column that take as long for a hundred rows as for one,
where making rows takes a hundred times as many.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, cached_property
from operator import itemgetter
from typing import Any, NamedTuple, overload

import asyncpg
import orjson
from asyncpg.pgproto.pgproto import UUID
from tortoise import fields

from models.base import JsonField, Row, conversions

_ID_BYTES = 16
# With six digits of a second's fraction, at whose end PostgreSQL writes no zeros: 2026-01-31T12:00:00.123456Z.
_MOMENT_CHARS = 27
_WHOLE_SECOND_CHARS = 20
_AFTER_YEAR = itemgetter(4)


class _Way(NamedTuple):
    """How columns of a kind travel: what makes one value of all, what takes that apart, and what makes of each part the
    value that a row has.
    """

    aggregate: str
    parts: Callable[[Any], Sequence[Any]]
    convert: Callable[[Any], Any] | None


def _keys(joined: bytes) -> Sequence[bytes]:
    return [joined[start : start + _ID_BYTES] for start in range(0, len(joined), _ID_BYTES)]


def _texts(joined: str) -> Sequence[str]:
    return joined.split(",")


def _datetime(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_ID = _Way("string_agg(uuid_send({}), ''::bytea)", _keys, UUID)
_MOMENT = _Way("string_agg(coalesce({}::text, ''), ',')", _texts, _datetime)
_JSON = _Way("json_agg({})::text", orjson.loads, None)
# Nothing of these is lost in JSON.
_PLAIN = (fields.CharField, fields.TextField, fields.IntField, fields.BigIntField, fields.BooleanField, JsonField)


@cache
def _way_of(table: type[Row], column: str) -> _Way | None:
    field = table._meta.fields_map[column]
    if isinstance(field, fields.UUIDField) and not field.null:
        return _ID
    if isinstance(field, fields.DatetimeField):
        return _MOMENT
    return _JSON._replace(convert=conversions(table).get(column)) if isinstance(field, _PLAIN) else None


def columns_statement(table: type[Row], rows: str, columns: Sequence[str]) -> str | None:
    """What finds these columns of the rows that a statement finds, in its order; None where one can't be had so."""
    aggregates = []
    for column in columns:
        way = _way_of(table, column)
        if way is None:
            return None
        name = f'"{column}"'
        aggregates.append(f"{way.aggregate.format(name)} AS {name}")
    return f"SELECT count(*) AS count, {', '.join(aggregates)} FROM ({rows}) AS listed"


class ColumnRows(Sequence[Any]):
    """Rows of ``table``, to be read only, as `columns_statement` finds them; none where it found nothing.

    Each column is an attribute of a row, and has the value that it has in a row of the table.
    """

    def __init__(self, table: type[Row], found: asyncpg.Record | None) -> None:
        self._table = table
        self._columns: dict[str, Any] = dict(found.items()) if found else {"count": 0}
        self._places = range(self._columns.pop("count"))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> "ColumnRows": ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, int):
            return self._rows[place]
        some = ColumnRows(self._table, None)
        some._columns, some._places = self._columns, self._places[place]
        return some

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def column(self, name: str) -> Sequence[Any]:
        """What each row has for it. Raises KeyError where that was not read."""
        way, parts = self._parts(name)
        return parts if way.convert is None else list(map(way.convert, parts))

    def keys(self) -> Sequence[bytes]:
        """The 16 bytes of each row's id."""
        return self._parts("id")[1]

    def moments(self, name: str) -> Sequence[str | None] | None:
        """A column of moments as RFC 3339 writes them, in UTC, with microseconds where there are any; None where it is
        no such column. Raises ValueError where one is none of Python's, and as `column`.
        """
        if not self or _way_of(self._table, name) is not _MOMENT:
            return None
        return self._here(moments_of(self._columns[name]))

    @cached_property
    def _rows(self) -> list[Any]:
        columns = [self.column(name) for name in self._columns]
        return list(map(_row_type(tuple(self._columns))._make, zip(*columns, strict=True)))

    def _parts(self, name: str) -> tuple[_Way, Sequence[Any]]:
        way = _way_of(self._table, name)
        assert way is not None
        return way, self._here(way.parts(self._columns[name])) if self else []

    def _here(self, values: Sequence[Any]) -> Sequence[Any]:
        """Those of our rows, of what all rows have that were found."""
        places = self._places
        return values[places.start : places.stop] if places.step == 1 else [values[place] for place in places]


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("ColumnRow", names)


def moments_of(joined: str) -> list[str | None]:
    """Of moments as PostgreSQL writes them in UTC, with commas between them and nothing for null: each as RFC 3339
    has it. Raises ValueError for what is before or after the years that Python has.
    """
    texts = joined.replace(" ", "T").replace("+00", "Z").split(",")
    printed = [text if len(text) == _MOMENT_CHARS else _with_all_digits(text) for text in texts]
    if "B" in joined or not {*map(_AFTER_YEAR, filter(None, printed))} <= {"-"}:
        raise ValueError("not a year of Python's")
    return printed


def _with_all_digits(text: str) -> str | None:
    if not text:
        return None
    if not _WHOLE_SECOND_CHARS <= len(text) < _MOMENT_CHARS or text[-1] != "Z":
        raise ValueError("not a moment of Python's")
    return text if len(text) == _WHOLE_SECOND_CHARS else text[:-1].ljust(_MOMENT_CHARS - 1, "0") + "Z"

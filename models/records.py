"""Rows of lists: what came from the database, of which nothing is made before it is asked for."""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import asyncpg

from models.base import Row, conversions


@cache
def record_class(table: type[Row]) -> type[asyncpg.Record]:
    """Records that read as rows of ``table`` do: each column is an attribute, and has the value that it has in a row.

    The driver makes them without a step of the interpreter, where a row takes several for each column. Nothing can be
    changed in them.
    """
    columns = {column: property(_reader(table, column)) for column in table._meta.db_fields}
    return type(f"{table.__name__}Record", (asyncpg.Record,), {"__slots__": (), **columns})


def column_of(records: Sequence[asyncpg.Record], table: type[Row], column: str) -> list[Any]:
    """What each of some records of `record_class`, all of one statement, has for a column."""
    if not records:
        return []
    values = map(itemgetter(list(records[0].keys()).index(column)), records)
    convert = conversions(table).get(column)
    return list(values if convert is None else map(convert, values))


def _reader(table: type[Row], column: str) -> Callable[[asyncpg.Record], Any]:
    convert = conversions(table).get(column)
    return itemgetter(column) if convert is None else lambda record: convert(record[column])

"""Rows of lists: what came from the database, of which nothing is made before it is asked for."""

from collections.abc import Callable, Mapping, Sequence
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


def columns_of(records: Sequence[asyncpg.Record], table: type[Row]) -> Mapping[str, Sequence[Any]]:
    """By column, what each of some records of `record_class` has, all of one statement."""
    if not records:
        return {}
    columns: dict[str, Sequence[Any]] = dict(zip(records[0].keys(), zip(*records, strict=True), strict=True))
    for column, convert in conversions(table).items():
        if column in columns:
            columns[column] = list(map(convert, columns[column]))
    return columns


def _reader(table: type[Row], column: str) -> Callable[[asyncpg.Record], Any]:
    convert = conversions(table).get(column)
    return itemgetter(column) if convert is None else lambda record: convert(record[column])

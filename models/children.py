"""Rows that belong to others: those of many parents, read with one statement."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from tortoise.expressions import RawSQL
from tortoise.functions import Count

from models.base import QuerySet, Row
from models.columns import ColumnRows, columns_statement
from models.database import Reader
from models.records import record_class

RowT = TypeVar("RowT", bound=Row)

_OF_EACH = """
SELECT parent.id AS parent_id, child.*
FROM unnest(${parent}::uuid[]) AS parent (id) CROSS JOIN LATERAL ({children}) AS child
"""
# PostgreSQL keeps its plan, where it makes one each time for the other: that takes longer than to find a hundred rows.
_OF_ONE = "SELECT child.* FROM (SELECT ${parent}::uuid AS id) AS parent CROSS JOIN LATERAL ({children}) AS child"


class ChildrenStatement(NamedTuple):
    """What finds the children of one parent, and of each of several; and its values but for the last one. ``columns``:
    what finds those of one parent as columns, where they can be had so.
    """

    of_one: str
    of_each: str
    values: list[Any]
    columns: str | None


def children_statement(rows: QuerySet[RowT], column: str, columns: Sequence[str] | None = None) -> ChildrenStatement:
    """The statement for `children_by_parent`: of those of ``rows`` whose ``column`` holds the id of each parent. The
    order and the limit hold for each parent. ``columns``: those to be read alone; None for all.
    """
    rows = rows if columns is None else rows.only(*columns)
    of_one = rows.filter(**{column: RawSQL("parent.id")})
    of_one.sql()  # builds the query that the next line takes apart
    children, values = of_one.query.get_parameterized_sql()
    parts = {"parent": len(values) + 1, "children": children}
    one, each = _OF_ONE.format(**parts), _OF_EACH.format(**parts)
    as_columns = None if columns is None else columns_statement(rows.model, one, columns)
    return ChildrenStatement(one, each, values, as_columns)


async def children_by_parent(
    reader: Reader, table: type[RowT], statement: ChildrenStatement, parent_ids: Sequence[UUID]
) -> dict[UUID, Sequence[RowT]]:
    """What `children_statement` says, as what reads as rows do; see `models.records` and `models.columns`."""
    if len(parent_ids) == 1:
        values = (*statement.values, *parent_ids)
        if statement.columns is not None:
            columns = await reader.records(statement.columns, values)
            return {parent_ids[0]: ColumnRows(table, columns[0] if columns else None)}
        records = await reader.records(statement.of_one, values, record_class(table))
        return {parent_ids[0]: cast(list[RowT], records)}
    found: dict[UUID, list[RowT]] = {}
    for record in await reader.records(statement.of_each, (*statement.values, list(parent_ids)), record_class(table)):
        found.setdefault(record["parent_id"], []).append(cast(RowT, record))
    return {**found}


async def count_by_parent(rows: QuerySet[RowT], column: str, parent_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many of ``rows`` hold the id of each parent in their ``column``; parents of none are left out."""
    counts = rows.filter(**{f"{column}__in": list(parent_ids)}).annotate(count=Count("id")).group_by(column)
    return {UUID(str(parent_id)): int(count) for parent_id, count in await counts.values_list(column, "count")}

"""Rows that belong to others: those of many parents, read with one statement."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from tortoise.expressions import RawSQL
from tortoise.functions import Count

from models.base import QuerySet, Row
from models.database import Reader
from models.records import record_class

RowT = TypeVar("RowT", bound=Row)

_OF_EACH = """
SELECT parent.id AS parent_id, child.*
FROM unnest(${parents}::uuid[]) AS parent (id) CROSS JOIN LATERAL ({children}) AS child
"""


def children_statement(rows: QuerySet[RowT], column: str) -> tuple[str, list[Any]]:
    """The statement for `children_by_parent`, and its values but for the last one: of those of ``rows`` whose
    ``column`` holds the id of each parent. The order and the limit hold for each parent.
    """
    of_one = rows.filter(**{column: RawSQL("parent.id")})
    of_one.sql()  # builds the query that the next line takes apart
    children, values = of_one.query.get_parameterized_sql()
    return _OF_EACH.format(parents=len(values) + 1, children=children), values


async def children_by_parent(
    reader: Reader, table: type[RowT], statement: tuple[str, list[Any]], parent_ids: Sequence[UUID]
) -> dict[UUID, list[RowT]]:
    """What `children_statement` says, as records that read as rows do; see `models.records`."""
    sql, values = statement
    records = await reader.records(sql, (*values, list(parent_ids)), record_class(table))
    if len(parent_ids) == 1:
        return {parent_ids[0]: cast(list[RowT], records)}
    found: dict[UUID, list[RowT]] = {}
    for record in records:
        found.setdefault(record["parent_id"], []).append(cast(RowT, record))
    return found


async def count_by_parent(rows: QuerySet[RowT], column: str, parent_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many of ``rows`` hold the id of each parent in their ``column``; parents of none are left out."""
    counts = rows.filter(**{f"{column}__in": list(parent_ids)}).annotate(count=Count("id")).group_by(column)
    return {UUID(str(parent_id)): int(count) for parent_id, count in await counts.values_list(column, "count")}

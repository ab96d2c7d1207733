"""Rows that belong to others: those of many parents, read with one statement."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from tortoise.expressions import RawSQL
from tortoise.functions import Count

from models.base import QuerySet, Row
from models.database import Connection, fetch

RowT = TypeVar("RowT", bound=Row)

_OF_EACH = """
SELECT parent.id AS parent_id, child.*
FROM unnest(${parents}::uuid[]) AS parent (id) CROSS JOIN LATERAL ({children}) AS child
"""


async def children_by_parent(
    connection: Connection, rows: QuerySet[RowT], column: str, parent_ids: Sequence[UUID]
) -> dict[UUID, list[RowT]]:
    """Those of ``rows`` whose ``column`` holds the id of each parent. The order and the limit hold for each parent."""
    of_one = rows.filter(**{column: RawSQL("parent.id")})
    of_one.sql()  # builds the query that the next line takes apart
    children, values = of_one.query.get_parameterized_sql()
    sql = _OF_EACH.format(parents=len(values) + 1, children=children)
    found: dict[UUID, list[RowT]] = {}
    for row in await fetch(connection, sql, *values, list(parent_ids)):
        found.setdefault(UUID(str(row["parent_id"])), []).append(rows.model._init_from_db(**row))
    return found


async def count_by_parent(rows: QuerySet[RowT], column: str, parent_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many of ``rows`` hold the id of each parent in their ``column``; parents of none are left out."""
    counts = rows.filter(**{f"{column}__in": list(parent_ids)}).annotate(count=Count("id")).group_by(column)
    return {UUID(str(parent_id)): int(count) for parent_id, count in await counts.values_list(column, "count")}

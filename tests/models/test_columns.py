"""Lists as columns have what records have, value by value, for every table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tortoise import fields

from models.base import JsonField, Row
from models.columns import ColumnRows, columns_statement, moments_of
from models.database import transaction
from models.records import record_class
from models.runs import Run, RunStatus
from schema.scalars import print_datetime
from tests.models.test_records import sample, tables

pytestmark = pytest.mark.usefixtures("pool")
# What stands in lists besides ordinary values.
ODD: dict[type, list[Any]] = {
    fields.DatetimeField: [
        None,
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.1Z",
        "2026-01-02T03:04:05.12345Z",
        "0001-01-01T00:00:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
        "1969-12-31T23:30:00.5-00:30",
    ],
    fields.TextField: [None, "", ",", '"\\\n\t\x01\u2028', "😀 é", "null", "[1,2]"],
    fields.CharField: [None, "", "a,b", '"'],
    fields.IntField: [0, -(2**31)],
    fields.BigIntField: [0, -(2**63), 2**63 - 1],
    fields.BooleanField: [None, True, False],
    JsonField: [None, 0, -1.5, 1e300, 12345678901234567890, "", "a,b", [], {}, [None, {"a": "\u0001"}], True, "null"],
}


def listed(table: type[Row], several: list[dict[str, Any]]) -> tuple[str, list[Any]]:
    """What finds these rows of a table, and its values."""
    name = table._meta.db_table
    sql = f"SELECT found.* FROM unnest($1::jsonb[]) AS row, jsonb_populate_record(NULL::{name}, row) AS found"
    return sql, [[orjson.dumps(row).decode() for row in several]]


async def both(table: type[Row], several: list[dict[str, Any]], columns: list[str]) -> tuple[list[Any], ColumnRows]:
    """As records, and as columns."""
    sql, values = listed(table, several)
    statement = columns_statement(table, sql, columns)
    assert statement is not None
    async with transaction() as connection:
        records = await connection.records(sql, values, record_class(table))
        return records, ColumnRows(table, (await connection.records(statement, values))[0])


def some(table: type[Row]) -> list[dict[str, Any]]:
    """A row for each odd value of each column, and ordinary ones."""
    rows = [sample(table)]
    for column in table._meta.db_fields:
        field = table._meta.fields_map[column]
        for value in next((values for kind, values in ODD.items() if type(field) is kind), []):
            rows.append(sample(table) | {column: value})
    return rows


def possible(table: type[Row]) -> list[str]:
    return [column for column in sorted(table._meta.db_fields) if columns_statement(table, "", [column])]


async def test_every_column_of_every_table_is_what_records_have() -> None:
    for table in tables():
        columns = possible(table)
        records, rows = await both(table, some(table), columns)
        assert len(rows) == len(records) > 0
        for name in columns:
            values = [getattr(record, name) for record in records]
            for found in (rows.column(name), [getattr(row, name) for row in rows]):
                assert [(value, type(value)) for value in found] == [(value, type(value)) for value in values], name
            if isinstance(table._meta.fields_map[name], fields.DatetimeField):
                assert rows.moments(name) == [value and print_datetime(value) for value in values]
            else:
                assert rows.moments(name) is None
        assert rows.keys() == [record.id.bytes for record in records]


async def test_what_lists_of_runs_show_can_be_had_as_columns() -> None:
    """Nearly all can. Exact numbers are left to records."""
    shown = {"id", "status", "input", "metadata", "output", "output_text", "created_at", "started_at", "finished_at"}
    assert shown <= {*possible(Run)}
    for table in tables():
        for column in {*table._meta.db_fields} - {*possible(table)}:
            field = table._meta.fields_map[column]
            lossy = isinstance(field, fields.FloatField | fields.DecimalField | fields.BinaryField)
            assert lossy or (isinstance(field, fields.UUIDField) and field.null), (table, column)


async def test_parts_of_a_list_are_those_of_a_list() -> None:
    several = [sample(Run) | {"created_at": f"2026-01-0{day}T00:00:00.{day}Z"} for day in range(1, 8)]
    records, rows = await both(Run, several, ["created_at", "id", "status"])
    whole = [record.created_at for record in records]
    for part in (slice(None), slice(3), slice(-1, None), slice(2, 5), slice(None, None, -1), slice(9, None)):
        some_of = rows[part]
        assert [row.created_at for row in some_of] == some_of.column("created_at") == whole[part]
        assert len(some_of) == len(whole[part]) == len(some_of.keys())
        assert (some_of.moments("created_at") or []) == [print_datetime(value) for value in whole[part]]
    assert rows[:5][::-1].column("created_at") == whole[:5][::-1]
    assert rows[:5][::-1][0].created_at == rows[-3].created_at == whole[4]
    assert rows[0].status is list(RunStatus)[-1]


async def test_of_nothing_there_are_no_rows() -> None:
    _, rows = await both(Run, [], ["created_at", "id", "status"])
    for none in (rows, rows[:1], ColumnRows(Run, None)):
        assert (len(none), list(none), none.keys(), none.column("status")) == (0, [], [], [])
        assert none.moments("created_at") is None


async def test_what_was_not_read_is_not_there() -> None:
    _, rows = await both(Run, [sample(Run)], ["id", "status"])
    with pytest.raises(KeyError):
        rows.column("created_at")
    with pytest.raises(AttributeError):
        _ = rows[0].created_at
    with pytest.raises(AttributeError):
        rows[0].status = RunStatus.FAILED


def postgres_text(moment: datetime) -> str:
    """As PostgreSQL writes it, in UTC."""
    return moment.isoformat(" ").replace("+00:00", "").rstrip("0" if moment.microsecond else "") + "+00"


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)), min_size=1))
def test_moments_are_printed_as_one_by_one(moments: list[datetime | None]) -> None:
    joined = ",".join(postgres_text(moment) if moment else "" for moment in moments)
    assert moments_of(joined) == [moment and print_datetime(moment) for moment in moments]


@pytest.mark.parametrize(
    "text",
    [
        *("infinity", "-infinity", "10000-01-01 00:00:00.12345+00", "10000-01-01 00:00:00+00", "2026-01-01", "x"),
        *("0044-03-15 12:00:00.123+00 BC", "0044-03-15 12:00:00.123456+00 BC", "294276-12-31 23:59:59+00"),
    ],
)
def test_moments_that_python_does_not_know_are_refused(text: str) -> None:
    usual = postgres_text(datetime.now(UTC) - timedelta(days=1))
    for joined in (text, f"{usual},{text}", f"{text},{usual}"):
        with pytest.raises(ValueError, match="Python's"):
            moments_of(joined)


async def test_postgres_writes_moments_so() -> None:
    sql = """
    SELECT string_agg(coalesce(m::text, ''), ',') AS joined
    FROM unnest(ARRAY['2026-01-02T03:04:05.120+01', NULL, '2026-01-02T03:04:05Z']::timestamptz[]) AS m
    """
    async with transaction() as connection:
        [found] = await connection.records(sql, ())
    assert moments_of(found["joined"]) == ["2026-01-02T02:04:05.120000Z", None, "2026-01-02T03:04:05Z"]

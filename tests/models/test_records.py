"""Rows, and records that stand for them in lists, have what Tortoise finds, for every table."""

from typing import Any

import orjson
import pytest
from asyncpg import Record
from tortoise import Tortoise, fields
from tortoise.fields.data import CharEnumFieldInstance

from core.ids import new_id
from models.base import JsonField, Row
from models.database import transaction
from models.records import columns_of, record_class
from models.runs import Run, RunStatus

pytestmark = pytest.mark.usefixtures("pool")

# What every column of a kind may hold, as JSON has it.
SAMPLES: dict[type, Any] = {
    fields.UUIDField: str(new_id()),
    fields.DatetimeField: "2026-01-02T03:04:05.678901+05:30",
    fields.TextField: "Grüße 'n' $1 \\",
    fields.CharField: "abc",
    fields.IntField: 2**31 - 1,
    fields.BigIntField: 2**40,
    fields.FloatField: 1.5,
    fields.DecimalField: "0.0000000001",
    fields.BooleanField: True,
    fields.BinaryField: "\\x00ff",
    JsonField: {"a": [1, None, "two"]},
}


def tables() -> list[type[Row]]:
    return [table for table in Tortoise.apps["synapse"].values() if issubclass(table, Row)]


def sample(table: type[Row]) -> dict[str, Any]:
    """A value for each column."""
    values = {}
    for column, name in ((column, name) for name, column in table._meta.fields_db_projection.items()):
        field = table._meta.fields_map[name]
        if isinstance(field, CharEnumFieldInstance):
            values[column] = list(field.enum_type)[-1].value
        else:
            values[column] = next(value for kind, value in SAMPLES.items() if isinstance(field, kind))
    return values


async def records(table: type[Row], kind: type[Record], **values: Any) -> list[Record]:
    """A record of a value in each column, of which ``values`` takes the place of some; and one of nulls."""
    name = table._meta.db_table
    sql = f"SELECT (jsonb_populate_record(NULL::{name}, row)).* FROM unnest($1::jsonb[]) AS row"
    async with transaction() as connection:
        return await connection.records(sql, [[orjson.dumps(sample(table) | values).decode(), "{}"]], kind)


async def test_every_column_of_every_table_is_what_tortoise_makes_of_it() -> None:
    assert len(tables()) > 15
    for table in tables():
        for record in await records(table, record_class(table)):
            expected = table._init_from_db(**dict(record.items()))
            assert vars(table.of_record(record)) == vars(expected)
            for column in table._meta.db_fields:
                value, of_row = getattr(record, column), getattr(expected, column)
                assert (value, str(value), type(value)) == (of_row, str(of_row), type(of_row)), (table, column)


async def test_columns_have_what_the_records_have() -> None:
    for table in tables():
        found: list[Any] = await records(table, record_class(table))
        columns = columns_of(found, table)
        for column in table._meta.db_fields:
            assert [*columns[column]] == [getattr(record, column) for record in found]
    assert columns_of([], Run) == {}


async def test_a_record_cannot_be_changed() -> None:
    record: Any = (await records(Run, record_class(Run)))[0]
    assert record.status is list(RunStatus)[-1]
    with pytest.raises(AttributeError):
        record.status = RunStatus.FAILED
    with pytest.raises(AttributeError):
        record.save()


async def test_a_value_that_is_none_of_an_enum_is_not_passed_on() -> None:
    async with transaction() as connection:
        found: Any = await connection.records("SELECT 'NEW' AS status", (), record_class(Run))
    with pytest.raises(KeyError):
        assert found[0].status

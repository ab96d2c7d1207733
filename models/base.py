"""What all tables share."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from inspect import iscoroutinefunction
from types import NoneType
from typing import Any, Self
from uuid import UUID

import orjson
from asyncpg import Record
from tortoise import fields
from tortoise.expressions import Q
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.models import Model
from tortoise.queryset import QuerySet

from core.ids import new_id
from models.database import Connection, Reader, fetch

__all__ = ["JsonField", "Q", "QuerySet", "Row", "TenantRow"]


class JsonField(fields.JSONField[Any]):
    """Any JSON value, strings and numbers too: Tortoise's own takes a string for a document that is encoded already.

    Counts on the pool to decode what comes from the database (`models.database.connect`).
    """

    def to_db_value(self, value: Any, instance: type[Model] | Model) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def to_python_value(self, value: Any) -> Any:
        return value


class Row(Model):
    """A table whose key is a UUIDv7.

    `read`, `write` and what `models.writes` sends do what Tortoise's queries, `save` and `create` do, at a fifth of
    their time, with statements that are built once: for what happens in every run.
    """

    id = fields.UUIDField(primary_key=True, default=new_id)

    class Meta:
        abstract = True

    def __init__(self, **values: Any) -> None:
        """A new row of these values. As Tortoise's own, which takes four times as long, where all are columns'."""
        defaults = _defaults(type(self))
        if defaults is None or not values.keys() <= self._meta.db_fields:
            super().__init__(**values)
            return
        columns = {name: default() for name, default in defaults.items() if name not in values}
        fields_map = self._meta.fields_map
        for name, value in values.items():
            field = fields_map[name]
            if value is None and not field.null:
                raise ValueError(f"{name} is non nullable field, but null was passed")
            is_plain = type(field) in _PLAIN and isinstance(value, field.field_type)
            columns[name] = value if is_plain else field.to_python_value(value)
        self.__dict__.update(
            columns, _partial=False, _saved_in_db=False, _custom_generated_pk=False, _await_when_save={}
        )

    @classmethod
    def columns(cls) -> str:
        """All of them, as a statement names them."""
        return _columns(cls)

    @classmethod
    def column_names(cls) -> set[str]:
        """By these its values are called in Python too."""
        return cls._meta.db_fields

    @classmethod
    def type_of(cls, column: str) -> type:
        """The Python type of a column's values."""
        return cls._meta.fields_map[column].field_type

    @classmethod
    async def read(cls, connection: Reader, condition: str, *values: Any) -> list[Self]:
        """The rows of which ``condition`` holds, SQL from WHERE on, with ``$1, $2 ...`` for ``values``."""
        records = await connection.records(f"{_selection(cls)} {condition}", values)
        return [cls.of_record(record) for record in records]

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As Tortoise's own ``_init_from_db``, of all columns. There may be others besides."""
        row = cls.__new__(cls)
        columns = {column: record[column] for column in cls._meta.db_fields}
        for column, convert in conversions(cls).items():
            columns[column] = convert(columns[column])
        row.__dict__.update(columns, _partial=False, _saved_in_db=True, _custom_generated_pk=True, _await_when_save={})
        return row

    async def write(self, connection: Connection, columns: Mapping[str, Any]) -> None:
        """Set these columns, here and in the database."""
        await fetch(connection, *self.change(columns))

    def insertion(self) -> tuple[Any, ...]:
        """The statement that writes this new row, and its values."""
        statement, names = _insertion(type(self))
        values = self._columns(names)
        self._saved_in_db = True
        return statement, *values

    def change(self, columns: Mapping[str, Any]) -> tuple[Any, ...]:
        """The statement that sets these columns, which are set here already, and its values."""
        self.__dict__.update(columns)
        return _update(type(self), tuple(columns)), self.id, *self._columns(columns)

    def _columns(self, names: Iterable[str]) -> list[Any]:
        fields_map = self._meta.fields_map
        return [fields_map[name].to_db_value(getattr(self, name), self) for name in names]


# Fields whose values are what they are; that a text is too long is found out when it is written.
_PLAIN = {fields.UUIDField, fields.CharField, fields.TextField, fields.IntField, fields.BigIntField, JsonField}
_CONSTANT = (NoneType, bool, int, float, str, bytes)


@cache
def _defaults(table: type[Row]) -> dict[str, Callable[[], Any]] | None:
    """By column, what makes the value that a new row has unless it is given one; None where more is to be done."""
    defaults: dict[str, Callable[[], Any]] = {}
    for column in table._meta.db_fields:
        field = table._meta.fields_map[column]
        default = field.default
        is_made = callable(default) and not iscoroutinefunction(default)
        if not (is_made or isinstance(default, _CONSTANT)) or field.has_db_default() or field.generated:
            return None
        defaults[column] = default if is_made else partial(_same, default)
    return defaults


def _same(value: Any) -> Any:
    return value


@cache
def conversions(table: type[Row]) -> dict[str, Callable[[Any], Any]]:
    """By column, what makes a row's value of the driver's, where these are not the same: for enums."""
    return {
        column: {None: None, **{member.value: member for member in field.enum_type}}.__getitem__
        for column, field in table._meta.fields_map.items()
        if isinstance(field, CharEnumFieldInstance)
    }


@cache
def _columns(table: type[Row]) -> str:
    return ", ".join(f'"{table._meta.db_table}"."{column}"' for column in table._meta.db_fields)


@cache
def _selection(table: type[Row]) -> str:
    return f'SELECT {_columns(table)} FROM "{table._meta.db_table}"'


@cache
def _insertion(table: type[Row]) -> tuple[str, tuple[str, ...]]:
    """The statement, and the names of the values that it takes."""
    names = tuple(table._meta.fields_db_projection)
    columns = ", ".join(f'"{table._meta.fields_db_projection[name]}"' for name in names)
    values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    return f'INSERT INTO "{table._meta.db_table}" ({columns}) SELECT {values} WHERE true', names


@cache
def _update(table: type[Row], names: tuple[str, ...]) -> str:
    columns = (f'"{table._meta.fields_db_projection[name]}" = ${number}' for number, name in enumerate(names, 2))
    return f'UPDATE "{table._meta.db_table}" SET {", ".join(columns)} WHERE id = $1'


class TenantRow(Row):
    """A table whose rows belong to one workspace; row-level security shows them only inside it."""

    workspace: fields.ForeignKeyRelation[Row] = fields.ForeignKeyField("synapse.Workspace", related_name=False)
    workspace_id: UUID

    class Meta:
        abstract = True

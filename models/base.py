"""What all tables share."""

from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from core.ids import new_id

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
    """A table whose key is a UUIDv7."""

    id = fields.UUIDField(primary_key=True, default=new_id)

    class Meta:
        abstract = True

    @classmethod
    def type_of(cls, column: str) -> type:
        """The Python type of a column's values."""
        return cls._meta.fields_map[column].field_type


class TenantRow(Row):
    """A table whose rows belong to one workspace; row-level security shows them only inside it."""

    workspace: fields.ForeignKeyRelation[Row] = fields.ForeignKeyField("synapse.Workspace", related_name=False)
    workspace_id: UUID

    class Meta:
        abstract = True

"""Objects that rows store: each attribute is the row's value, or made of it, for one object and for all of a page."""

from datetime import datetime
from typing import Any

import pytest
from strawberry.types import get_object_definition

from core.errors import ErrorCode
from core.ids import encode
from core.permissions import Scope
from models.records import record_class
from schema.failures import RunFailure
from schema.nodes import Node, Nodes
from schema.providers import ProviderName
from schema.schema import schema
from tests.models.test_columns import both, possible
from tests.models.test_records import records, sample

pytestmark = pytest.mark.usefixtures("pool")
KINDS = [kind for kind in Node.by_table.values() if schema._schema.get_type(kind.__name__)]
# Where not every value is one.
VALUES: dict[str, Any] = {"scopes": ["READ"], "provider": "OPENAI", "failure_code": "INTERNAL"}
MADE: dict[str, Any] = {
    "tools": [],
    "prefix_": "abc",
    "scopes": [Scope.READ],
    "provider": ProviderName.OPENAI,
    "failure": RunFailure(code=ErrorCode.INTERNAL, message="Grüße 'n' $1 \\", retryable=True),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_attributes_are_those_of_the_row(kind: type[Node]) -> None:
    assert kind.table
    record = (await records(kind.table, record_class(kind.table), **VALUES))[0]
    row = kind.table._init_from_db(**dict(record.items()))
    fields = [field for field in get_object_definition(kind, strict=True).fields if field.is_basic_field]
    assert {"id", *kind.made} <= {field.python_name for field in fields}
    for name in [field.python_name for field in fields]:
        expected = encode(kind.prefix, row.id) if name == "id" else MADE[name] if name in kind.made else vars(row)[name]
        of_pages = [value for rows in ([record], [row, record]) for value in Nodes(kind, rows).values(name)]
        for value in (getattr(kind.of(row), name), getattr(kind.of(record), name), *of_pages):
            assert (value, type(value)) == (expected, type(expected)), name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_so_are_those_of_lists_that_are_read_as_columns(kind: type[Node]) -> None:
    assert kind.table
    columns = possible(kind.table)
    row = sample(kind.table) | {name: value for name, value in VALUES.items() if name in columns}
    found, rows = await both(kind.table, [row, row], columns)
    for name in {*columns, *kind.made} - {"id"}:
        if name not in kind.made:
            assert [*Nodes(kind, rows).values(name)] == [getattr(record, name) for record in found]
        assert (Nodes(kind, rows).moments(name) is None) == (name in kind.made or not is_moment(kind, name))
    assert Nodes(kind, rows).values("id") == [encode(kind.prefix, record.id) for record in found]
    assert [node.row.id for node in Nodes(kind, rows)] == [record.id for record in found]
    if "failure" in kind.made:
        assert Nodes(kind, rows).values("failure") == Nodes(kind, found).values("failure")


def is_moment(kind: type[Node], name: str) -> bool:
    assert kind.table
    return kind.table.type_of(name) is datetime


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_nothing_else_of_the_row_is_an_attribute(kind: type[Node]) -> None:
    assert kind.table
    record = (await records(kind.table, record_class(kind.table), **VALUES))[0]
    for name in ("pk", "save", "_meta", "items", "__await__"):
        assert not hasattr(kind.of(record), name)


def test_a_page_makes_its_objects_only_for_those_who_look_at_them() -> None:
    kind, rows = KINDS[0], [object(), object()]
    assert [node.row for node in Nodes(kind, rows)] == rows
    assert len(Nodes(kind, rows)) == 2

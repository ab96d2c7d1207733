"""Scalars, on their way out and in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from resolvers.context import Context
from schema.execution import Schema
from schema.scalars import (
    JSON,
    MAX_LONG,
    Long,
    check_long,
    parse_datetime,
    parse_decimal,
    print_datetime,
    print_decimal,
)
from streaming.buckets import LocalBuckets
from tests.servers.app import settings_for

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@strawberry.type
class Query:
    @strawberry.field
    def moment(self, value: datetime) -> datetime:
        return value

    @strawberry.field
    def long(self, value: Long) -> Long:
        return value

    @strawberry.field
    def decimal(self, value: Decimal) -> Decimal:
        return value

    @strawberry.field
    def json(self, value: JSON) -> JSON:
        return value


SCHEMA = Schema(Query)


async def echo(document: str, **variables: Any) -> Any:
    """What comes back for a document of one field; a code where it is refused."""
    runtime: Any = SimpleNamespace(settings=settings_for(""), buckets=LocalBuckets())
    context = Context(runtime)
    result = await SCHEMA.execute(document, variable_values=variables, context_value=context)
    if result.errors:
        assert result.errors[0].extensions
        return result.errors[0].extensions["code"]
    assert result.data
    return next(iter(result.data.values()))


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (NOON, "2026-01-31T12:00:00Z"),
        (NOON.replace(tzinfo=None), "2026-01-31T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-01-31T12:00:00Z"),
        (NOON.replace(microsecond=1500), "2026-01-31T12:00:00.001500Z"),
    ],
)
def test_a_datetime_is_printed_in_utc(value: datetime, printed: str) -> None:
    assert print_datetime(value) == printed


@given(st.datetimes(timezones=st.just(UTC)))
def test_it_is_printed_as_iso_8601_has_it(value: datetime) -> None:
    assert print_datetime(value) == value.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T17:30:00+05:30", "2026-01-31 12:00:00.000+00:00"],
)
def test_a_datetime_is_read_with_its_offset(text: str) -> None:
    parsed = parse_datetime(text)
    assert (parsed, parsed.utcoffset()) == (NOON, timedelta(0))


@pytest.mark.parametrize("value", ["", "yesterday", "2026-02-30T00:00:00Z", 5, None, True, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_datetime_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_datetime(value)


@pytest.mark.parametrize("value", [0, 1, -1, 2**31, MAX_LONG, -MAX_LONG])
def test_a_long_passes_unchanged(value: int) -> None:
    assert check_long(value) == check_long(float(value)) == value


@pytest.mark.parametrize("value", [MAX_LONG + 1, 1.5, True, "1", None, float("nan"), float("inf"), 10**400])
def test_what_is_no_long_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        check_long(value)


@pytest.mark.parametrize(
    ("value", "printed"),
    [("1E-7", "0.0000001"), ("0.10", "0.1"), ("1E+3", "1000"), ("100", "100"), ("0E-10", "0"), ("-1.50", "-1.5")],
)
def test_a_decimal_is_printed_in_plain_notation(value: str, printed: str) -> None:
    assert print_decimal(Decimal(value)) == printed


@pytest.mark.parametrize("value", ["0.0000001", "12.50", "-3", 7])
def test_a_decimal_is_read_exactly(value: object) -> None:
    assert parse_decimal(value) == Decimal(str(value))


@pytest.mark.parametrize("value", [0.1, "1E5", "NaN", "Infinity", "", "1,5", "9" * 31, True, None])
def test_what_is_no_decimal_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_decimal(value)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ('{ moment(value: "2026-01-31T13:00:00+01:00") }', "2026-01-31T12:00:00Z"),
        ("{ moment(value: 5) }", "VALIDATION_FAILED"),
        ("{ long(value: 9007199254740991) }", MAX_LONG),
        ("{ long(value: 9007199254740992) }", "VALIDATION_FAILED"),
        (f"{{ long(value: {'9' * 5000}) }}", "VALIDATION_FAILED"),
        ('{ long(value: "1") }', "VALIDATION_FAILED"),
        ("{ decimal(value: 0.1000000000000000000001) }", "0.1000000000000000000001"),
        ('{ decimal(value: "0.10") }', "0.1"),
        ("{ decimal(value: 1) }", "1"),
        (f"{{ decimal(value: {'9' * 5000}) }}", "VALIDATION_FAILED"),
        ('{ json(value: {a: [1, "x", null, true, 1.5, E]}) }', {"a": [1, "x", None, True, 1.5, "E"]}),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_literals_in_a_document_are_read_from_their_exact_text(document: str, answer: Any) -> None:
    assert await echo(document) == answer


async def test_variables_are_checked_too() -> None:
    assert await echo("query ($v: JSON!) { json(value: $v) }", v={"a": [1]}) == {"a": [1]}
    assert await echo("query ($v: Long!) { long(value: $v) }", v=2**40) == 2**40
    assert await echo("query ($v: Long!) { long(value: $v) }", v=2**60) == "VALIDATION_FAILED"
    assert await echo("query ($v: DateTime!) { moment(value: $v) }", v="never") == "VALIDATION_FAILED"
    assert await echo("query ($v: String!) { json(value: {a: $v}) }", v="x") == {"a": "x"}

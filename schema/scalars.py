"""The scalars, as the clients see them: input is checked here, so that nothing beyond this file meets a bad value."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from types import NoneType
from typing import Any, NewType

import orjson
import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

JSON = NewType("JSON", object)
Long = NewType("Long", int)

# Beyond it JavaScript's numbers are no longer exact.
MAX_LONG = 2**53 - 1
_ZONE = attrgetter("tzinfo")
_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,30})?")


def write_json(value: object) -> bytes:
    """What is sent to a client. Moments in UTC (`are_utc`) may stand in it as they are: it writes them as
    `print_datetime` does, in a fifth of the time.
    """
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def print_datetime(value: datetime) -> str:
    """UTC, as RFC 3339 writes it; a value without an offset is UTC."""
    if value.tzinfo is not UTC:
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return write_json(value)[1:-1].decode()


def are_utc(values: Sequence[Any]) -> bool:
    """Whether these are moments in UTC, or None, and nothing else."""
    return {*map(type, values)} <= {datetime, NoneType} and {*map(_ZONE, filter(None, values))} <= {UTC}


def parse_datetime(value: object) -> datetime:
    """In UTC, whatever offset it came with; without an offset it is UTC."""
    if not isinstance(value, str):
        raise GraphQLError('A DateTime is a string such as "2026-01-31T12:00:00Z".')
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError('A DateTime is a string such as "2026-01-31T12:00:00Z".') from None


def check_long(value: object) -> int:
    """Both ways: a whole number that JSON carries without loss."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_LONG:
        raise GraphQLError("A Long is a whole number between -(2^53 - 1) and 2^53 - 1.")
    return value


def print_decimal(value: Decimal) -> str:
    """Plain notation without needless zeros: 0.0000001, never 1E-7."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_decimal(value: object) -> Decimal:
    """From a string or a whole number; a float would not be exact."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise GraphQLError('A Decimal is a string such as "12.50".')
    return Decimal(text)


def print_any(value: object) -> object:
    """The same, whatever it is made of. An exception in its stead is the field's error, as graphql-core has it, also
    where fields go a shorter way than through that.
    """
    if isinstance(value, Exception):
        raise value
    return value


def _from_literal(parse: Callable[[object], Any], *kinds: type[ValueNode]) -> Callable[..., Any]:
    """Reads a scalar written out in the document from its exact text."""

    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        if not isinstance(node, kinds):
            return parse(None)
        text = node.value  # type: ignore[attr-defined]  # each of the kinds has one
        return parse(int(text) if isinstance(node, IntValueNode) and len(text) < 40 else text)

    return parse_literal


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment in UTC, as RFC 3339 writes it: "2026-01-31T12:00:00Z". Other offsets are converted.',
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=print_datetime,
        parse_value=parse_datetime,
        parse_literal=_from_literal(parse_datetime, StringValueNode),
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number beyond 32 bits, sent as a JSON number: at most 2^53 - 1, exact in JavaScript too.",
        serialize=check_long,
        parse_value=check_long,
        parse_literal=_from_literal(check_long, IntValueNode),
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal, sent as a string in plain notation: "0.0000001", never "1E-7".',
        serialize=print_decimal,
        parse_value=parse_decimal,
        parse_literal=_from_literal(parse_decimal, StringValueNode, IntValueNode, FloatValueNode),
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value, opaque to Synapse: tool arguments and results, schemas, metadata.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=print_any,
        parse_value=lambda value: value,
    ),
}

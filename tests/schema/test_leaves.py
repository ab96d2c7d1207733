"""Objects of leaves, completed in one go: what comes of it is what graphql-core makes of it, field by field."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import orjson
import pytest
import strawberry
from graphql import ExecutionResult, parse
from graphql.execution import Executor as CoreExecutor
from graphql.pyutils import Path
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.execution import Schema
from schema.executor import Executor
from schema.leaves import Columns, Leaf, value_of
from schema.scalars import JSON, Long


@strawberry.enum
class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


@strawberry.type
class Box:
    name: str
    size: Long | None
    price: Decimal
    at: datetime | None
    colour: Colour
    content: JSON | None
    labels: list[str]

    @strawberry.field
    def shout(self, times: int = 1) -> str:
        return self.name.upper() * times

    @strawberry.field
    def inner(self) -> "Box":
        return self


@strawberry.type
class Lid:
    name: str


Thing = Annotated[Box | Lid, strawberry.union("Thing")]


@strawberry.type
class Query:
    @strawberry.field
    def boxes(self) -> list[Box | None]:
        raise NotImplementedError

    @strawberry.field
    def things(self) -> list[Thing]:
        raise NotImplementedError


class Boxes(Columns):
    """Boxes that are there only when somebody looks at them one by one."""

    kind = Box

    def __init__(self, boxes: list[Box]) -> None:
        self.boxes = boxes
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Box]:
        self.looked_at += 1
        return iter(self.boxes)

    def values(self, attribute: str) -> list[Any]:
        return [getattr(box, attribute) for box in self.boxes]


SCHEMA = Schema(Query)
ZONES = [UTC, UTC, None, timezone(timedelta(hours=-7, minutes=-30)), timezone(timedelta(0), "nowhere")]
# Now and then a value of a wrong type, or none where there must be one.
_BROKEN: list[Any] = [None, object(), "2", 1.5, ValueError("a value")]


def or_broken(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 15).flatmap(lambda number: st.sampled_from(_BROKEN) if number == 0 else right)


BOXES = st.builds(
    Box,
    name=or_broken(st.text(max_size=3)),
    size=or_broken(st.none() | st.integers(-(2**60), 2**60)),
    price=or_broken(st.decimals(allow_nan=False, allow_infinity=False, places=3)),
    at=or_broken(st.none() | st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from(ZONES))),
    colour=or_broken(st.sampled_from(Colour)),
    content=or_broken(st.none() | st.just({"a": [1]})),
    labels=or_broken(st.lists(st.text(max_size=2), max_size=2)),
)
LIDS = st.builds(Lid, name=or_broken(st.text(max_size=3)))


@st.composite
def selections(draw: st.DrawFn, depth: int = 0) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        alias = draw(st.sampled_from(["", "", "a: ", "b: "]))
        directive = draw(st.sampled_from(["", "", "@skip(if: $no)", "@skip(if: $yes)", "@include(if: $no)"]))
        plain = ["name", "size", "price", "at", "colour", "content", "__typename"]
        kind = draw(st.integers(0, 12))
        if kind == 0:
            parts.append(f"{alias}labels {directive}")
        elif kind == 1:
            parts.append(f"{alias}shout(times: $times) {directive}")
        elif kind == 2 and depth < 2:
            parts.append(f"{alias}inner {directive} {{ {draw(selections(depth + 1))} }}")
        elif kind == 3 and depth < 2:
            parts.append(f"... on Box {directive} {{ {draw(selections(depth + 1))} }}")
        elif kind == 4:
            parts.append(f"...Common {directive}")
        else:
            parts.append(f"{alias}{draw(st.sampled_from(plain))} {directive}")
    return " ".join(parts)


def result(kind: type[StrawberryGraphQLCoreExecutionContext], document: str) -> ExecutionResult:
    # As Strawberry does, which brings a manager even where there is no middleware.
    executor: Any = kind.build(SCHEMA._schema, parse(document), middleware=SCHEMA._get_middleware_manager([]))
    assert isinstance(executor, kind), executor
    found = executor.execute_operation()
    assert isinstance(found, ExecutionResult)
    return found


def as_sent(data: object) -> bytes:
    """As `schema.scalars.write_json`, with something in the place of what is broken."""
    return orjson.dumps(data, option=orjson.OPT_UTC_Z, default=str)


def same(document: str, boxes: list[Any] | Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = SCHEMA._schema.query_type.fields  # type: ignore[union-attr]
    for name in ("boxes", "things"):
        monkeypatch.setattr(fields[name], "resolve", lambda *_: boxes)
    expected, actual = (result(kind, document) for kind in (StrawberryGraphQLCoreExecutionContext, Executor))
    assert as_sent(actual.data) == as_sent(expected.data)
    assert actual.errors == expected.errors
    assert [str(error) for error in actual.errors or ()] == [str(error) for error in expected.errors or ()]


HEAD = "query ($yes: Boolean = true, $no: Boolean = false, $times: Int = 2)"
COMMON = "fragment Common on Box { name kind: __typename size @skip(if: $no) }"


@settings(max_examples=150, deadline=None)
@given(selections(), st.lists(st.none() | BOXES, max_size=4))
def test_lists_of_objects_are_those_of_graphql_core_to_the_byte(selected: str, boxes: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        same(f"{HEAD} {{ boxes {{ {selected} }} }} {COMMON}", boxes, monkeypatch)


@settings(max_examples=100, deadline=None)
@given(selections(), st.lists(BOXES, max_size=4))
def test_so_are_those_that_are_read_by_columns(selected: str, boxes: list[Box]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        same(f"{HEAD} {{ boxes {{ {selected} }} things {{ ...Common }} }} {COMMON}", Boxes(boxes), monkeypatch)


@settings(max_examples=50, deadline=None)
@given(st.lists(BOXES | LIDS, max_size=4))
def test_so_are_those_of_several_types(things: list[Any]) -> None:
    document = f"{HEAD} {{ things {{ ... on Lid {{ name }} ...Common }} }} {COMMON}"
    with pytest.MonkeyPatch.context() as monkeypatch:
        same(document, things, monkeypatch)


@pytest.mark.parametrize(
    ("selected", "short", "long"),
    [
        ("name size colour", [], []),
        ("name __typename", [], []),
        ("name labels", ["name"], ["labels"]),
        ("size shout", ["size"], ["shout"]),
        ("name inner { size }", ["name", "size"], ["inner"]),
    ],
)
def test_graphql_core_is_left_with_what_is_no_leaf(
    selected: str, short: list[str], long: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of leaves alone is answered as a whole; among other fields they are answered one by one."""
    taken: list[str] = []
    left: list[str] = []

    def take(source: object, leaf: Leaf) -> object:
        taken.append(leaf.key)
        return value_of(source, leaf)

    def leave(self: CoreExecutor[Any], parent: Any, source: Any, details: Any, path: Path, *rest: Any) -> object:
        left.append(str(path.key))
        return execute_field(self, parent, source, details, path, *rest)

    execute_field = CoreExecutor.execute_field
    monkeypatch.setattr("schema.executor.value_of", take)
    monkeypatch.setattr(CoreExecutor, "execute_field", leave)
    fields = SCHEMA._schema.query_type.fields  # type: ignore[union-attr]
    box = Box(name="a", size=None, price=Decimal(1), at=None, colour=Colour.RED, content=None, labels=[])
    monkeypatch.setattr(fields["boxes"], "resolve", lambda *_: [box, box])
    assert not result(Executor, f"{{ boxes {{ {selected} }} }}").errors
    assert (taken, left) == (short * 2, ["boxes", *long * 2])


@pytest.mark.parametrize(("selected", "looked_at"), [("name at colour", 0), ("name __typename", 0), ("name shout", 1)])
def test_objects_are_made_only_where_more_than_leaves_is_asked(
    selected: str, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)
    boxes = Boxes([Box(name="a", size=None, price=Decimal(1), at=at, colour=Colour.RED, content=None, labels=[])])
    fields = SCHEMA._schema.query_type.fields  # type: ignore[union-attr]
    monkeypatch.setattr(fields["boxes"], "resolve", lambda *_: boxes)
    assert not result(Executor, f"{{ boxes {{ {selected} }} }}").errors
    assert boxes.looked_at == looked_at

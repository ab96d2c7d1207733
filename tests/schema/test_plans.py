"""Queries answered by plans: what comes of them is what graphql-core makes of them, or nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any

import orjson
import pytest
import strawberry
from graphql import (
    ExecutionResult,
    OverlappingFieldsCanBeMergedRule,
    execute,
    parse,
    validate,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strawberry.relay import GlobalID

from schema import plans
from schema.arguments import Arguments
from schema.documents import Document
from schema.execution import Schema
from schema.plans import Plan
from schema.scalars import JSON
from schema.shortcuts import LongWay


@strawberry.enum
class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


@strawberry.input
class Size:
    width: int = 1
    height: int | None = None


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Lid(Named):
    depth: int


@strawberry.type
class Box(Named):
    at: datetime | None
    colour: Colour
    content: JSON | None
    labels: list[str | None]
    lid: Lid | None
    lids: list[Lid]
    within: strawberry.Private[list[Any]]
    error: strawberry.Private[Exception | None]

    @strawberry.field
    def shout(self, times: int | None = 1) -> str:
        return self.name.upper() * (times or 0)

    @strawberry.field
    async def told(self, words: list[str], size: Size | None = None, colour: Colour = Colour.RED) -> str:
        said, words[:] = f"{words} {size} {colour}", []
        return said

    @strawberry.field
    def given(self, maybe: strawberry.Maybe[int | None] = None, id: GlobalID | None = None) -> str:
        return f"{maybe} {id!r}"

    @strawberry.field
    def first(self) -> "Box":
        return self.within[0] if self.within else None  # type: ignore[return-value]

    @strawberry.field
    async def boxes(self, info: strawberry.Info["Asker", None], first: int = 2) -> list["Box | None"]:
        await info.context.wait()
        return self.within[:first]

    @strawberry.field
    async def risky(self) -> str | None:
        if self.error:
            raise self.error
        return None

    @strawberry.field
    def path(self, info: strawberry.Info) -> str:
        return f"{info.path.as_list()} {info.field_name} {info.variable_values} {len(info._raw_info.field_nodes)}"


Thing = Annotated[Box | Lid, strawberry.union("Thing")]


@dataclass
class Asker:
    """The context. ``waited``: how often somebody has waited until others had their turn."""

    box: Any = None
    waited: int = 0
    begun: list[str] = field(default_factory=list)

    async def wait(self) -> None:
        await asyncio.sleep(0)
        self.waited += 1


Info = strawberry.Info[Asker, None]


@strawberry.type
class Query:
    @strawberry.field
    async def box(self, info: Info, named: str | None = None) -> Box | None:
        return info.context.box if named != "nobody" else None

    @strawberry.field
    def lid(self, info: Info) -> Lid:
        return info.context.box.lid  # type: ignore[no-any-return]

    @strawberry.field
    async def thing(self, info: Info) -> Thing:
        return info.context.box  # type: ignore[no-any-return]

    @strawberry.field
    async def fails(self) -> str | None:
        raise ValueError("always")

    @strawberry.field
    async def slow(self, info: Info) -> str | None:
        info.context.begun.append("slow")
        for _ in range(5):
            await info.context.wait()
        return None


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


SCHEMA = Schema(Query, Mutation, types=[Lid])
HEAD = """
query ($named: String, $times: Int = 2,
       $first: Int! = 1, $words: [String!] = ["x"], $size: Size, $colour: Colour! = BLUE, $id: ID)
"""
COMMON = "fragment Common on Named { name kind: __typename ... on Box { colour } ... on Lid { depth } }"
FIELDS = [
    *("name", "at", "colour", "content", "labels", "__typename", "shout", "shout(times: 3)", "shout(times: $times)"),
    *("shout(times: null)", "risky", "path", "told(words: [])", 'told(words: "a", size: {height: 3}, colour: BLUE)'),
    *("told(words: $words, size: $size, colour: $colour)", 'told(words: ["b", "c"], size: {width: $first})'),
    *("given", "given(maybe: $times)", "given(maybe: null, id: $id)", 'given(maybe: 1, id: "VXNlcjox")'),
    *("lid { name depth }", "lid { ...Common }", "lids { depth }", "lids { ...Common __typename }", "...Common"),
]
# Now and then a value of a wrong type, or none where there must be one.
_BROKEN: list[Any] = [None, object(), "2", 1.5, ValueError("a value")]


def or_broken(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 40).flatmap(lambda number: st.sampled_from(_BROKEN) if number == 0 else right)


LIDS = or_broken(st.builds(Lid, name=or_broken(st.text(max_size=3)), depth=or_broken(st.integers(0, 9))))
BOXES = st.recursive(
    st.none(),
    lambda within: st.builds(
        Box,
        name=or_broken(st.text(max_size=3)),
        at=or_broken(st.none() | st.just(datetime(2026, 1, 31, 12, tzinfo=UTC))),
        colour=or_broken(st.sampled_from(Colour)),
        content=or_broken(st.none() | st.just({"a": [1]})),
        labels=or_broken(st.lists(or_broken(st.none() | st.text(max_size=2)), max_size=2)),
        lid=or_broken(st.none() | LIDS),
        lids=or_broken(st.lists(LIDS, max_size=3)),
        within=st.lists(within, max_size=3),
        error=or_broken(st.none()).map(lambda value: value if isinstance(value, Exception) else None),
    ),
    max_leaves=6,
)
# As clients send them: right, wrong, and left out.
GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "named": st.none() | st.just("nobody") | st.text(max_size=2) | st.just(3),
        "times": st.none() | st.integers(0, 3) | st.just("many"),
        "first": st.integers(0, 3) | st.none(),
        "words": st.none() | st.just(["y", "z"]) | st.just("one") | st.just([None]),
        "size": st.none() | st.just({"width": 2, "height": None}) | st.just({"depth": 1}),
        "colour": st.sampled_from(["RED", "BLUE", "GREEN", None]),
        "id": st.none() | st.just("VXNlcjox") | st.just("nobody"),
    },
)


@st.composite
def selections(draw: st.DrawFn, depth: int = 0) -> str:
    parts = []
    for number in range(draw(st.integers(1, 4))):
        selected = draw(st.sampled_from([*FIELDS, "first", "boxes", "boxes(first: 1)", "boxes(first: $first)", "..."]))
        if selected.startswith(("first", "boxes", "...")) and selected != "...Common":
            if depth == 2:
                continue
            selected = f"{selected.replace('...', '... on Box')} {{ {draw(selections(depth + 1))} }}"
        alias = "" if selected.startswith("...") else draw(st.sampled_from(["", f"a{number}: "]))
        parts.append(alias + selected)
    return " ".join(parts) or "name"


def a_box(**values: Any) -> Box:
    plain: dict[str, Any] = {"name": "a", "at": None, "colour": Colour.RED, "content": None, "labels": [], "lid": None}
    return Box(**plain | {"lids": [], "within": [], "error": None} | values)


def planned(text: str) -> Plan:
    """Raises LongWay where there is no plan."""
    document = Document(SCHEMA._schema, parse(text))
    [operation] = document.operations
    plan = document.plan(operation)
    if plan is None:
        raise LongWay
    return plan


async def executed(document: str, context: Asker, given: dict[str, Any]) -> ExecutionResult:
    result = execute(SCHEMA._schema, parse(document), context_value=context, variable_values=given)
    return result if isinstance(result, ExecutionResult) else await result


def as_sent(data: object) -> bytes:
    """As `schema.scalars.write_json`, with something in the place of what is broken."""
    return orjson.dumps(data, option=orjson.OPT_UTC_Z, default=str)


async def same(plan: Plan, document: str, box: Any, given: dict[str, Any]) -> bool:
    """Whether the plan has an answer. It has one where nothing goes wrong, and that is the right one."""
    expected = await executed(document, Asker(box), given)
    try:
        data = await plan.answer(Asker(box), given)
    except Exception:
        assert expected.errors
        return False
    assert not expected.errors
    assert as_sent(data) == as_sent(expected.data)
    return True


@settings(max_examples=300, deadline=None)
@given(selections(), BOXES, GIVEN)
def test_answers_are_those_of_graphql_core_to_the_byte(selected: str, box: Any, given: dict[str, Any]) -> None:
    document = (
        f"{HEAD} {{ box(named: $named) {{ {selected} }} __typename again: box {{ name at lid {{ name }} }} }} {COMMON}"
    )
    # Others are refused before it comes to a plan: one alias of two fields.
    assume(not validate(SCHEMA._schema, parse(document), [OverlappingFieldsCanBeMergedRule]))
    plan = planned(document)
    for _ in range(2):
        asyncio.run(same(plan, document, box, given))


def test_a_plan_answers_whatever_it_is_made_for() -> None:
    """It would be equal to graphql-core, too, if it never had an answer."""
    lid = Lid(name="l", depth=1)
    inner = a_box(lids=[lid])
    box = a_box(content={"a": 1}, labels=["x", None], lid=lid, lids=[lid, lid], within=[inner, None, inner])
    selected = " ".join(f"a{number}: {name}" if "..." not in name else name for number, name in enumerate(FIELDS))
    within = f"first {{ {selected} }} boxes(first: 3) {{ {selected} boxes {{ name }} }}"
    document = f"{HEAD} {{ box(named: $named) {{ {selected} {within} }} lid {{ name }} }} {COMMON}"
    assert asyncio.run(same(planned(document), document, box, {"named": "a", "words": ["b"], "size": {"width": 3}}))


@pytest.mark.parametrize(
    "document",
    [
        "mutation { change }",
        "{ thing { ... on Box { name } } }",
        "{ box { name @skip(if: false) } }",
        "{ box { ...Part @include(if: true) } } fragment Part on Box { name }",
        "{ __schema { queryType { name } } }",
        '{ box { name } __type(name: "Box") { name } }',
    ],
)
def test_there_is_none_where_types_or_directives_decide_later(document: str) -> None:
    with pytest.raises(LongWay):
        planned(document)


def test_there_is_one_however_much_is_asked_of_an_object_and_where_fragments_are_spread_again_and_again() -> None:
    planned("{ box { name at colour content labels shout risky path } }")
    asked = "name at colour content labels __typename a: name b: at c: colour lid { ...Lid }"
    places = " ".join(f"in{number}: boxes {{ ...Box }}" for number in range(6))
    planned(f"{{ box {{ {places} }} }} fragment Box on Box {{ {asked} }} fragment Lid on Lid {{ name depth }}")


def test_what_stands_in_a_fragment_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read an argument takes the longer the longer it is, and fragments in fragments are spread without end."""
    read = 0

    class Counted(Arguments):
        def __init__(self, *args: Any) -> None:
            nonlocal read
            read += 1
            super().__init__(*args)

    monkeypatch.setattr(plans, "Arguments", Counted)
    levels = "".join(
        f" fragment F{level} on Box {{ a: boxes(first: 0) {{ ...F{level + 1} }} b: boxes {{ ...F{level + 1} }} }}"
        for level in range(18)
    )
    planned(f'{{ box {{ ...F0 }} }}{levels} fragment F18 on Box {{ told(words: ["{"x" * 10_000}"]) }}')
    assert read == 2 * 18 + 2


def test_there_is_none_for_what_fragments_blow_up() -> None:
    """Each pair of them, being merged, asks for something that no other does."""
    count, depth = 12, 16
    within = "boxes { " * depth + "name" + " }" * depth
    fragments = "".join(f" fragment F{number} on Box {{ {within} }}" for number in range(count))
    pairs = " ".join(
        f"a{one}_{other}: first {{ ...F{one} ...F{other} }}" for one in range(count) for other in range(one)
    )
    planned(f"{{ box {{ a: first {{ ...F0 ...F1 }} }} }}{fragments}")
    with pytest.raises(LongWay):
        planned(f"{{ box {{ {pairs} }} }}{fragments}")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda box: setattr(box, "name", None),
        lambda box: setattr(box, "lid", 3),
        lambda box: setattr(box, "error", ValueError("no")),
        lambda box: setattr(box, "colour", "GREEN"),
        lambda box: setattr(box, "content", ValueError("no")),
    ],
)
async def test_whatever_goes_wrong_graphql_core_is_to_tell(wrong: Callable[[Box], None]) -> None:
    document = "{ box { name colour content risky lid { name } } }"
    box = a_box()
    assert await same(planned(document), document, box, {})
    wrong(box)
    assert not await same(planned(document), document, box, {})


async def test_nothing_goes_on_when_a_plan_has_failed() -> None:
    """What is executed then would meet it: on the connection that all of a query shares."""
    asker = Asker()
    with pytest.raises(ValueError, match="always"):
        await planned("{ fails slow }").answer(asker, None)
    assert asker.begun == ["slow"]
    assert asker.waited == 5


async def test_one_that_keeps_failing_is_put_aside_and_tried_again_now_and_then() -> None:
    """Everything but what fails would be done twice otherwise, each time."""
    plan, broken = planned("{ box { name risky } }"), Asker(a_box(error=ValueError("no")))
    tried = []
    for number in range(300):
        if not plan.is_put_aside():
            tried.append(number)
            with pytest.raises(ValueError, match="no"):
                await plan.answer(broken, None)
    pauses = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert pauses == [2, 4, 8, 16, 32, 64, 64, 64]
    while plan.is_put_aside():
        pass
    for _ in range(9):
        assert not plan.is_put_aside()
        assert await plan.answer(Asker(a_box()), None)


async def test_siblings_wait_at_the_same_time() -> None:
    """What they ask for at the same time is fetched with one query, here as in graphql-core."""
    orders = []
    for _ in range(2):
        asker = Asker()
        expected = await executed("{ slow again: slow box { name } }", asker, {})
        assert not expected.errors
        orders.append((asker.begun, asker.waited))
        asker = Asker()
        await planned("{ slow again: slow box { name } }").answer(asker, None)
        orders.append((asker.begun, asker.waited))
    assert len({str(order) for order in orders}) == 1

"""The short way to a subscription event's answer gives what graphql-core gives."""

import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import strawberry
from graphql import parse
from graphql.execution import ExecutionResult
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context
from schema import run_events
from schema.documents import Document
from schema.event_encoder import EventEncoder
from schema.execution import Schema
from schema.executor import Executor
from schema.schema import schema
from streaming.buckets import LocalBuckets
from tests.e2e.endpoint import Mutation, Query, Subscription, Tick
from tests.servers.app import settings_for

TYPES = ("TextDelta", "ReasoningDelta", "ToolCalled", "ToolReturned", "RunRewound", "RunFinished", "RunEvent")
LEAVES = {
    "TextDelta": ("firstSeq", "stepId", "text"),
    "ReasoningDelta": ("firstSeq", "stepId", "text"),
    "ToolCalled": ("stepId", "callId", "name", "arguments"),
    "ToolReturned": ("callId", "name", "result"),
    "RunRewound": ("stepId", "toSeq", "attempt"),
    "RunFinished": ("textSha256",),
    "RunEvent": (),
}
DIRECTIVES = ("", "", "", "@include(if: $yes)", "@include(if: $no)", "@skip(if: $yes)", "@skip(if: true)")
VARIABLES = {"yes": True, "no": False}
PROBE = Schema(Query, Mutation, Subscription)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# Beyond 32 bits too, which graphql-core refuses.
numbers = st.integers(-5, 5) | st.sampled_from([2**31 - 1, 2**31])
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
json = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | texts, lambda inner: st.lists(inner, max_size=3))
place = {"seq": numbers, "at": times}
delta = {**place, "first_seq": numbers, "step_id": texts, "text": texts}
events = st.one_of(
    st.builds(run_events.TextDelta, **delta),
    st.builds(run_events.ReasoningDelta, **delta),
    st.builds(run_events.ToolCalled, **place, step_id=texts, call_id=texts, name=texts, arguments=json),
    st.builds(run_events.ToolReturned, **place, call_id=texts, name=texts, result=json, failure=st.none()),
    st.builds(run_events.RunRewound, **place, step_id=texts, to_seq=numbers, attempt=numbers),
    st.builds(run_events.RunFinished, **place, run=st.none(), text_sha256=texts | st.none()),
)


@st.composite
def selections(draw: st.DrawFn, kind: str = "RunEvent", depth: int = 0) -> str:
    """What may stand within the braces of a ``kind``."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        directive = draw(st.sampled_from(DIRECTIVES))
        if depth < 3 and draw(st.booleans()):
            inner = draw(st.sampled_from([kind, "RunEvent"] if kind != "RunEvent" else TYPES))
            parts.append(f"... on {inner} {directive} {{ {draw(selections(inner, depth + 1))} }}")
        elif depth < 3 and draw(st.integers(0, 5)) == 0:
            parts.append(f"...{draw(st.sampled_from(['Common', 'Words']))} {directive}")
        else:
            alias = draw(st.sampled_from(["", "", "a: ", "b: "]))
            field = draw(st.sampled_from(("__typename", "seq", "at", *LEAVES[kind])))
            parts.append(f"{alias}{field} {directive}")
    return " ".join(parts)


@st.composite
def documents(draw: st.DrawFn) -> str:
    root = draw(st.sampled_from(["runEvents", "events: runEvents"]))
    return f"""
    subscription ($yes: Boolean!, $no: Boolean! = false) {{ {root}(runId: "run_1") {{ {draw(selections())} }} }}
    fragment Common on RunEvent {{ seq ...Words kind: __typename }}
    fragment Words on TextDelta {{ words: text @skip(if: $no) at }}
    """


def executor_of(document: str) -> Any:
    executor = Executor.build(schema._schema, parse(document), raw_variable_values=VARIABLES)
    assert isinstance(executor, Executor)
    return executor


def by_graphql_core(document: str, event: object, variables: dict[str, Any] = VARIABLES) -> ExecutionResult:
    plain = StrawberryGraphQLCoreExecutionContext
    executor = plain.build(schema._schema, parse(document), raw_variable_values=variables)
    assert isinstance(executor, plain)
    result = executor.build_per_event_executor(event).execute_operation(False)
    assert isinstance(result, ExecutionResult)
    return result


@settings(max_examples=150, deadline=None)
@given(documents(), st.lists(events, min_size=1, max_size=4))
def test_answers_are_those_of_graphql_core_to_the_byte(document: str, happened: list[object]) -> None:
    executor = executor_of(document)
    encoder = EventEncoder(executor)
    for event in happened:
        expected = by_graphql_core(document, event)
        encoded = encoder.encode(event)
        # Whatever has no errors is made of leaves here.
        assert (encoded is None) == bool(expected.errors)
        if encoded is not None:
            assert orjson.dumps(encoded) == orjson.dumps(expected.data)
        else:
            result = executor.build_per_event_executor(event).execute_operation(False)
            assert result.data == expected.data
            assert result.errors == expected.errors


@settings(max_examples=150, deadline=None)
@given(documents(), st.lists(events, min_size=1, max_size=4), st.booleans())
def test_what_is_known_of_a_document_holds_whatever_the_variables_are(
    text: str, happened: list[object], without_directives: bool
) -> None:
    if without_directives:
        text = re.sub(r"@\w+\(.*?\)", "", text).replace("($yes: Boolean!, $no: Boolean! = false)", "")
    document = Document(schema._schema, parse(text))
    [operation] = document.operations
    assert document.leaves(operation) is not None or "@" in text
    for yes, no in ((True, False), (False, True)):
        variables = {"yes": yes, "no": no}
        executor = Executor.build(schema._schema, document.node, raw_variable_values=variables)
        assert isinstance(executor, Executor)
        encoder = EventEncoder(executor, document.leaves(operation))
        for event in happened:
            expected = by_graphql_core(text, event, variables)
            encoded = encoder.encode(event)
            assert (encoded is None) == bool(expected.errors)
            if encoded is not None:
                assert orjson.dumps(encoded) == orjson.dumps(expected.data)


@pytest.mark.parametrize(
    "selection",
    ["... on RunFinished { seq run { id } }", "... on ToolReturned { failure { code } }"],
)
def test_objects_within_an_event_are_left_to_graphql_core_and_other_types_are_not(selection: str) -> None:
    document = f'subscription {{ runEvents(runId: "run_1") {{ seq {selection} }} }}'
    encoder = EventEncoder(executor_of(document))
    at = datetime.now(UTC)
    finished = run_events.RunFinished(seq=1, at=at, run=None, text_sha256="")  # type: ignore[arg-type]
    returned = run_events.ToolReturned(seq=1, at=at, call_id="", name="", result=None, failure=None)
    said = run_events.TextDelta(seq=1, at=at, first_seq=1, step_id=strawberry.ID("step"), text="a")
    assert [encoder.encode(event) is None for event in (finished, returned)] == [
        "RunFinished" in selection,
        "ToolReturned" in selection,
    ]
    assert encoder.encode(said) == {"runEvents": {"seq": 1}}


def encode_of_probe(selection: str, event: object) -> dict[str, Any] | None:
    executor = Executor.build(PROBE._schema, parse(f"subscription {{ {selection} }}"))
    assert isinstance(executor, Executor)
    return EventEncoder(executor).encode(event)


def test_events_that_are_no_objects_or_of_a_wrong_type_are_left_to_graphql_core() -> None:
    assert encode_of_probe("silence", 1) is None
    assert encode_of_probe("ticks(to: 1) { number }", Done()) is None
    assert encode_of_probe("ticks(to: 1) { number }", None) is None
    assert encode_of_probe("ticks(to: 1) { number }", Tick(number=3)) == {"ticks": {"number": 3}}


async def test_subscriptions_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("An event went the long way.")

    runtime: Any = SimpleNamespace(settings=settings_for(""), buckets=LocalBuckets())
    context = Context(runtime)
    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "build_per_event_executor", refuse)
    results = await PROBE.subscribe("subscription { ticks(to: 2) { number } }", context_value=context)
    assert isinstance(results, AsyncGenerator)
    assert [result.data async for result in results] == [{"ticks": {"number": number}} for number in (1, 2)]


@strawberry.type
class Done:
    number: int = 1

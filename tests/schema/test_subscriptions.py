"""A subscription's results are those of Strawberry and graphql-core, whichever way they take."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import strawberry
import structlog
from strawberry.http import process_result
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from core.errors import NotFound
from resolvers.context import Context
from schema.execution import Schema
from streaming.buckets import LocalBuckets
from tests.e2e import endpoint
from tests.e2e.frames import Opcode, message, wire
from tests.servers.app import Server, settings_for

ended: list[str] = []


@strawberry.interface
class Event:
    number: int


@strawberry.type
class Said(Event):
    text: str
    note: str | None = None


@strawberry.type
class Part:
    name: str

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(0)
        return self.name


@strawberry.type
class Made(Event):
    part: Part | None

    @strawberry.field
    async def broken(self) -> int | None:
        raise NotFound("It is gone.")

    @strawberry.field
    async def fatal(self) -> int:
        raise RuntimeError("A secret.")


@strawberry.type
class Other:
    number: int


EVENTS: list[Any] = [
    Said(number=1, text="a", note="é\n"),
    Made(number=2, part=Part(name="p")),
    Said(number=2**31, text="beyond 32 bits"),
    Said(number=None, text="without a number"),  # type: ignore[arg-type]
    Other(number=3),
    None,
    Made(number=4, part=None),
    Said(number=5, text="b"),
]


@strawberry.type
class Query:
    @strawberry.field
    async def one(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def two(self) -> int:
        raise NotFound("There are none.")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, upto: int = len(EVENTS), then: str = "end") -> AsyncIterator[Event]:
        try:
            for event in EVENTS[:upto]:
                yield event
            if then == "refuse":
                raise NotFound("No more.", ("upto",))
            if then == "crash":
                raise RuntimeError("A secret.")
        finally:
            ended.append(then)

    @strawberry.subscription
    async def maybe(self) -> AsyncIterator[Event | None]:
        for event in EVENTS:
            yield event

    @strawberry.subscription
    async def numbers(self) -> AsyncIterator[int]:
        for number in (1, 2**31, 2):
            yield number


TYPES = (Said, Made)
SCHEMA = Schema(Query, Mutation, Subscription, TYPES)
FIELDS = "__typename number ... on Said { text note } ... on Made { part { name slow } }"


class Plain(Schema):
    """As it is without short ways."""

    _stream = strawberry.Schema._stream  # type: ignore[assignment]


def plain(query: type, mutation: type, subscription: type, types: tuple[type, ...] = ()) -> Schema:
    schema = Plain(query, mutation, subscription, types)
    schema.execution_context_class = StrawberryGraphQLCoreExecutionContext
    return schema


PLAIN = plain(Query, Mutation, Subscription, TYPES)


@pytest.fixture(autouse=True)
def quietly() -> Iterator[None]:
    """What is logged of crashes comes with all that lies on the stack, which takes seconds to print."""
    with structlog.testing.capture_logs():
        yield


def new_context() -> Context:
    runtime: Any = SimpleNamespace(settings=settings_for(""), buckets=LocalBuckets())
    return Context(runtime, request_id="request")


async def stream(
    schema: Schema, document: str, variables: dict[str, Any] | None = None, **options: Any
) -> AsyncGenerator[ExecutionResult, None]:
    results = await schema.stream(document, variables, new_context(), **options)
    return cast(AsyncGenerator[ExecutionResult, None], results)


async def results_of(*arguments: Any, **options: Any) -> list[tuple[type, Any]]:
    return [(type(result), process_result(result)) async for result in await stream(*arguments, **options)]


@pytest.mark.parametrize(
    "document",
    [
        f"subscription {{ events {{ {FIELDS} }} }}",
        "subscription { all: events { number ... on Made { broken } } }",
        "subscription { events { number ... on Made { fatal } } }",
        f"subscription {{ maybe {{ {FIELDS} }} }}",
        "subscription { numbers }",
        f'subscription {{ events(upto: 2, then: "refuse") {{ {FIELDS} }} }}',
        'subscription { events(upto: 1, then: "crash") { number } }',
        'subscription { events(upto: 0, then: "crash") { number } }',
        "subscription ($upto: Int!) { events(upto: $upto) { number } }",
        "subscription A { numbers } subscription B { maybe { number } }",
        "subscription { events { nothing } }",
        "subscription {",
        "",
        "{ one }",
        "{ one: nothing }",
        "mutation { two }",
        "subscription { __typename }",
    ],
)
async def test_results_are_those_of_strawberry(document: str) -> None:
    expected = await results_of(PLAIN, document)
    assert expected
    assert await results_of(SCHEMA, document) == expected
    for options in ({"operation_name": "B"}, {"allowed_operation_types": (OperationType.QUERY,)}):
        assert await results_of(SCHEMA, document, **options) == await results_of(PLAIN, document, **options)
    for variables in ({"upto": 1}, {"upto": "one"}):
        assert await results_of(SCHEMA, document, variables) == await results_of(PLAIN, document, variables)


@pytest.mark.parametrize("fields", ["number", "number ... on Said { text } ... on Made { part { name } }"])
async def test_who_stops_listening_ends_the_resolver(fields: str) -> None:
    ended.clear()
    results = await stream(SCHEMA, f"subscription {{ events {{ {fields} }} }}")
    async for _ in results:
        break
    assert not ended
    await results.aclose()
    assert ended == ["end"]


@pytest.mark.parametrize(
    "document",
    [
        "subscription { ticks(to: 3) { number __typename } }",
        "subscription { ticks(to: 2) { number } __typename }",
        "subscription { n: refuse(after: 2) }",
        "subscription { refuse }",
        "subscription { many: ticks(to: 100) { number } }",
    ],
)
async def test_frames_on_a_socket_are_those_of_strawberrys_results(server: Server, document: str) -> None:
    reference = plain(endpoint.Query, endpoint.Mutation, endpoint.Subscription)
    expected: list[dict[str, Any]] = []
    for kind, result in await results_of(reference, document):
        failed = kind is PreExecutionError
        payload = result["errors"] if failed else result
        expected.append({"id": "é", "type": "error" if failed else "next", "payload": payload})
    if expected[-1]["type"] == "next":
        expected.append({"id": "é", "type": "complete"})
    async with wire(server.url) as connection:
        await connection.initialise(endpoint.PATH)
        await connection.send(message(type="subscribe", id="é", payload={"query": document}))
        frames = [await connection.next_frame() for _ in expected]
    received = [(opcode, re.sub(rb'"requestId":"\w+"', b'"requestId":"request"', data)) for opcode, data in frames]
    assert received == [(Opcode.TEXT, orjson.dumps(each)) for each in expected]

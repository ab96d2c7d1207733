"""What is kept of documents, and what is not even read to its end."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from graphql import GraphQLSchema

from core.errors import CostExceeded
from schema.documents import MAX_CHARS, MAX_COMMENTS, MAX_TOKENS, Documents, InvalidDocument
from schema.execution import Schema
from schema.leaves import Leaf
from schema.schema import schema
from tests.e2e.endpoint import Mutation, Query, Subscription

PROBE: GraphQLSchema = Schema(Query, Mutation, Subscription)._schema
CACHE_BYTES = 1_000_000
KINDS = [type(f"Event{number}", (), {}) for number in range(11)]


@contextmanager
def keeping_less_than(limit: int) -> Iterator[None]:
    """What the block leaves behind takes fewer bytes."""
    tracemalloc.start()
    try:
        yield
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < limit


@pytest.fixture
def documents() -> Documents:
    return Documents(PROBE, CACHE_BYTES)


def test_a_document_is_read_once(documents: Documents) -> None:
    assert documents.get("{ requestId }") is documents.get("{ requestId }")


def test_only_the_recent_ones_are_kept() -> None:
    documents = Documents(PROBE, CACHE_BYTES // 4)
    regular = documents.get("{ requestId }")
    first = documents.get("{ a: __typename }")
    for number in range(100):
        documents.get(f"{{ a{number}: __typename }}")
        assert documents.get("{ requestId }") is regular
    assert 20 < len(documents) < 100
    assert documents.get("{ a: __typename }") is not first


def test_large_documents_drive_nothing_out(documents: Documents) -> None:
    large = "{ requestId } # ".ljust(CACHE_BYTES // 20, "x")
    assert documents.get(large) is not documents.get(large)
    assert len(documents) == 0


def test_invalid_documents_are_not_kept(documents: Documents) -> None:
    for text in ("{", "{ nothing }"):
        with pytest.raises(InvalidDocument):
            documents.get(text)
    assert len(documents) == 0


@pytest.mark.parametrize(
    "dense",
    [
        "1 " * 20,
        "1\n#\n" * 20,
        '"xxxxxxxxxxxxxx" ' * 20,
        f'"{"x" * 8_000}\U0001f600"',
        f"1\n#{'x' * 8_000}\U0001f600\n",
    ],
    ids=["tokens", "comments", "literals", "wide literals", "wide comments"],
)
def test_what_is_kept_has_a_limit_whatever_comes(dense: str) -> None:
    """Documents that are all different, and take the most memory for their length."""
    documents = Documents(schema._schema, 2 * CACHE_BYTES)
    with keeping_less_than(2 * CACHE_BYTES):
        for number in range(50):
            documents.get(
                f'mutation {{startRun(input:{{agentId:"{number}",message:"",metadata:[{dense}]}}){{__typename}}}}'
            )
    assert 0 < len(documents) < 50


@pytest.mark.parametrize(
    ("dense", "fragments"),
    [
        ("viewer { id }", ""),
        ('agent(id: "x") { liveVersion { id } }', ""),
        ('run(id: "x") { input }', ""),
        (
            'run(id: "x") { ...R }',
            "fragment R on Run { agent { id } thread { id } endUser { id } startedBy { id } }",
        ),
    ],
)
def test_plans_have_room_in_it(dense: str, fragments: str) -> None:
    documents = Documents(schema._schema, 4 * CACHE_BYTES)
    fields = " ".join(f"a{field}: {dense}" for field in range(9))
    with keeping_less_than(4 * CACHE_BYTES):
        for number in range(100):
            document = documents.get(f"{{ {fields} another{number}: __typename }} {fragments}")
            assert document.plan(document.operations[0])
        del document
    assert 0 < len(documents) < 100


def test_all_operations_of_a_document_have_room_in_it_together() -> None:
    documents = Documents(schema._schema, 18 * CACHE_BYTES)
    names = [f"a{number}" for number in range(90)]
    events = " ".join(f"{name}: seq" for name in names)
    queries = " ".join(f'query Q{number} {{ run(id: "x") {{ ...R }} }}' for number in range(9))
    followers = " ".join(f'subscription S{number} {{ runEvents(runId: "x") {{ ...E }} }}' for number in range(9))
    fragments = f"fragment R on Run {{ agent {{ id }} thread {{ id }} }} fragment E on RunEvent {{ {events} }}"
    with keeping_less_than(18 * CACHE_BYTES):
        for number in range(30):
            document = documents.get(f"{queries} {followers} {fragments} # {number}")
            for operation in document.operations:
                document.plan(operation)
                if leaves := document.leaves(operation):
                    for kind in KINDS:
                        leaves.of(kind, lambda _: [Leaf(name, None, name, False, str) for name in names])
        del document
    assert 0 < len(documents) < 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{" + "a " * MAX_TOKENS + "}", "limit of tokens is 2000"),
        ("#\n" * (MAX_COMMENTS + 1) + "{ requestId }", "more than 1000 comments"),
        ("{ requestId }".ljust(MAX_CHARS + 1), "limit of characters is 400000, and there are 400001"),
        ("{a" * 900, "limit of depth is 20"),
        ("{a(b:" + "[" * 1_900, "limit of depth is 20"),
        ("{" + "_:__typename " * 101 + "}", "limit of aliases is 100, and there are 101"),
        ("{ pushed {" + " requestId" * 1_500 + "} }", "Validation aborted"),
        ("fragment A on Query { ...A } { ...A }", "Cannot spread fragment 'A' within itself"),
        ("{ requestId(a: " + "9" * 5_000 + ") }", "Unknown argument"),
        ("subscription { ticks(to: " + "9" * 5_000 + ") { number } }", "Exceeds the limit"),
        ("type A { b: Int }", "not executable"),
        ('{ a(b: "\\uD800") }', "Invalid Unicode escape"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_too_much_or_wrong_is_said(documents: Documents, text: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        documents.get(text)
    assert all(isinstance(error.original_error, CostExceeded | None) for error in caught.value.errors)
    assert any(part in str(caught.value.errors) for part in message.split("|"))

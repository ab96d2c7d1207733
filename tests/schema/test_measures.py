"""What operations are said to ask for."""

import re
from itertools import chain
from typing import Any

import pytest
from graphql import get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CostExceeded
from schema.documents import Documents, InvalidDocument
from schema.measures import LIMITS, Measures
from schema.schema import schema
from tests.operations import RUN

AGENT = "agent(id: $id) { runs(first: 100) { nodes { id status input createdAt startedAt finishedAt } } }"
DOCUMENTS = Documents(schema._schema)


def measure(text: str, **variables: Any) -> Measures:
    document = DOCUMENTS.get(text)
    return document.measure(document.operations[0], variables)


def exceeded(text: str) -> CostExceeded:
    with pytest.raises(InvalidDocument) as caught:
        DOCUMENTS.get(text)
    [error] = caught.value.errors
    assert isinstance(error.original_error, CostExceeded)
    return error.original_error


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ __typename }", 1),
        ("{ viewer { id name } }", 3),
        # agent, runs, nodes, and a hundred times six.
        (f"query ($id: ID!) {{ {AGENT} }}", 603),
        # What a connection has once counts once.
        ("query ($id: ID!) { agent(id: $id) { runs(first: 7) { totalCount nodes { id } edges { cursor } } } }", 19),
        # The usual size of a page is the schema's.
        ("query ($id: ID!) { agent(id: $id) { runs { nodes { id } } } }", 23),
        ("query ($id: ID!) { agent(id: $id) { runs(first: null) { nodes { id } } } }", 23),
        ("query ($id: ID!) { thread(id: $id) { messages(last: 3) { nodes { id } } } }", 6),
        ("query ($id: ID!) { thread(id: $id) { messages(first: 9, last: 3) { nodes { id } } } }", 6),
        ("query ($id: ID!) { agent(id: $id) { runs(first: 9999) { nodes { id } } } }", 103),
        # A list without pages has ten, unless it is as long as what is given.
        ("{ viewer { memberships { role } } }", 12),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 4),
        ("mutation { signOut { __typename } }", 12),
        # Pages within pages.
        (
            "query ($id: ID!) { workspace(id: $id) { agents(first: 5) { nodes { runs(first: 4) { nodes {id} } } } } }",
            33,
        ),
    ],
)
def test_the_cost_counts_fields_as_often_as_pages_have_objects(text: str, cost: int) -> None:
    assert measure(text).cost == cost


def test_pages_whose_size_is_a_variable_cost_what_is_asked_for() -> None:
    text = "query ($id: ID!, $n: Int = 30) { agent(id: $id) { runs(first: $n) { nodes { id } } } }"
    costs = [measure(text, **variables).cost for variables in ({}, {"n": 5}, {"n": None}, {"n": 101}, {"n": [1, 2]})]
    assert costs == [33, 8, 23, 103, 5]
    assert measure(text, n=5) is measure(text, n=5), "it is not counted again"
    ids = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert [measure(ids, ids=["x"] * length).cost for length in (0, 1, 50)] == [1, 2, 51]


@pytest.mark.parametrize(
    ("text", "measure", "actual"),
    [
        ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", "aliases", 101),
        ("{" + " ".join(["__typename"] * 51) + "}", "rootFields", 51),
        ("{ __typename " + "@skip(if: false) " * 101 + "}", "directives", 101),
        ("query " + "@skip(if: false) " * 101 + "{ __typename }", "directives", 101),
        ("{ viewer" + "{ memberships { workspace { members { nodes { user" * 4 + "{ id }" + "}" * 21, "depth", 22),
        ("".join(f"query A{n} {{ __typename }}" for n in range(51)), "operations", 51),
    ],
)
def test_each_limit_is_named_with_what_there_is(text: str, measure: str, actual: int) -> None:
    error = exceeded(text)
    limit = LIMITS.get(measure, 50)
    assert error.details == {"measure": measure, "limit": limit, "actual": actual}
    assert re.search(rf"limit of {measure} is {limit}, and there are {actual}\. Ask for less", error.message)


def test_fragments_count_wherever_they_are_spread() -> None:
    spread = (
        "{ viewer { ...A ...A } } fragment A on User { a: id ...B } fragment B on User { b: name @skip(if: false) }"
    )
    written = "{ viewer { a: id b: name @skip(if: false) a: id b: name @skip(if: false) } }"
    assert measure(spread) == measure(written)
    on_pages = """query ($id: ID!) { agent(id: $id) { runs(first: 3) { ...P ...P } } }
    fragment P on RunConnection { nodes { id } totalCount }"""
    assert measure(on_pages).cost == 2 + 2 * (1 + 3 + 1)


def test_doubling_fragments_are_looked_at_once_each() -> None:
    def doubling(depth: int) -> str:
        fragments = (f"fragment F{n} on User {{ ...F{n + 1} ...F{n + 1} }}" for n in range(depth))
        return f"{{ viewer {{ ...F0 }} }} {' '.join(fragments)} fragment F{depth} on User {{ id }}"

    assert measure(doubling(40)).cost == 1 + 2**40
    assert measure(doubling(60)).cost == 2**53 - 1, "what JSON's readers can't take in is not said"


def test_what_tools_ask_about_the_schema_is_within_the_limits() -> None:
    measures = measure(get_introspection_query())
    assert measures.introspects
    assert measures.cost < 2_000
    measures.check()
    assert not measure("{ __typename viewer { __typename } }").introspects
    assert measure('{ ...A } fragment A on Query { __type(name: "Run") { name } }').introspects


def test_pages_as_applications_show_them_are_within_the_limits() -> None:
    query = f"query ($id: ID!) {{ workspace(id: $id) {{ runs {{ totalCount nodes {{ {RUN} }} }} }} }}"
    assert measure(query).cost < 50_000


_SELECTIONS = st.recursive(
    st.sampled_from(["id", "name", "a: id", "...F", "... on User { id }"]).map(lambda leaf: [leaf]),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(
        lambda parts: [f"memberships {{ user {{ {' '.join(chain(*parts))} }} }}"]
    ),
    max_leaves=8,
)


@given(_SELECTIONS)
def test_a_fragment_costs_what_its_text_costs_in_its_place(selections: list[str]) -> None:
    text = f"{{ viewer {{ {' '.join(selections)} }} }}"
    spread = f"{text} fragment F on User {{ id name }}" if "...F" in text else text
    written = text.replace("...F", "id name")
    assert measure(spread) == measure(written)

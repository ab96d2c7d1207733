"""Requests that are small to send and large to execute, or just large: each body of a POST, or message of a socket."""

import json
from typing import Any

from tests.client import Json


def _doubling(depth: int, spread: str) -> str:
    """Fragments of which each spreads the next one twice."""
    fragments = " ".join(f"fragment F{n} on User {{ {spread.format(n + 1)} }}" for n in range(depth))
    return f"{{ viewer {{ ...F0 }} }} {fragments} fragment F{depth} on User {{ id name }}"


def _nested(depth: int) -> str:
    return "{ viewer" + "{ memberships { workspace { members { nodes { user" * depth + "{ id }" + "}" * (5 * depth + 1)


def _pages(connections: list[str], inner: str = "id") -> str:
    """Pages of a hundred within pages of a hundred."""
    for connection in reversed(connections):
        inner = f"{connection}(first: 100) {{ nodes {{ {inner} }} }}"
    return f"{{ viewer {{ memberships {{ workspace {{ {inner} }} }} }} }}"


def _many(count: int, part: str) -> str:
    return "{" + " ".join(part.format(number) for number in range(count)) + "}"


DOCUMENTS = {
    **{f"{n} doubling fragments": _doubling(n, "...F{0} ...F{0}") for n in (20, 30, 40)},
    "40 doubling fragments with fields": _doubling(40, "a: id ...F{0} b: name ...F{0}"),
    "wide fragments": _doubling(12, " ".join(["...F{0}"] * 40)),
    "10,000 aliases": _many(10_000, "a{}: __typename"),
    "500 aliases": _many(500, "a{}: __typename"),
    "10,000 times the same field": _many(10_000, "__typename"),
    "400 root fields": _many(400, "viewer {{ id }}"),
    "deep nesting": _nested(5),
    "deeper nesting": _nested(60),
    "nesting without end": "{ viewer " * 100_000,
    "a chain of fragments": "{ viewer { ...F0 } }"
    + "".join(f" fragment F{n} on User {{ ...F{n + 1} }}" for n in range(240))
    + " fragment F240 on User { id }",
    "circular fragments": "{ viewer { ...A } } fragment A on User { ...B } fragment B on User { id ...A }",
    "240 circular fragments": "{ viewer { ...F0 } }"
    + "".join(f" fragment F{n} on User {{ id ...F{(n + 1) % 240} }}" for n in range(240)),
    "a million nodes": _pages(["agents", "runs", "steps"]),
    "a million nodes by fragments": "{ viewer { memberships { workspace { ...A } } } } fragment A on Workspace "
    "{ agents(first: 100) { nodes { ...B } } } fragment B on Agent { runs(first: 100) { nodes { ...C } } } "
    "fragment C on Run { steps(first: 100) { nodes { id name } } }",
    "a hundred directives": "{ __typename " + "@skip(if: false) " * 101 + "}",
    "fields that are to be merged": "{ viewer { " + "... { id name email } " * 240 + "} }",
    "unknown fields": _many(1_900, "nonsense{}"),
    "unused fragments": "{ __typename }" + "".join(f" fragment F{n} on User {{ id }}" for n in range(230)),
    "many operations": "".join(f"query Q{n} {{ __typename }} " for n in range(300)),
    "introspection of introspection": "{ __schema { types " + "{ fields { type " * 8 + "{ name }" + "}}" * 8 + "} }",
    "a long comment": "{ __typename } #" + "x" * 500_000,
    "a list in a list in a list": "{ nodes(ids: " + "[" * 100_000,
}
"""Documents, by what is wrong with them."""


def bodies() -> dict[str, bytes]:
    """Whole requests, by what is wrong with them: of more than a server should look at, apart from the document."""
    start = b'{"query": "query ($v: JSON) { __typename }", "variables": {"v": '
    return {
        "10 MB of variables": start + b'"' + b"x" * 10_000_000 + b'"}}',
        "4 MB of empty lists": start + b"[" + b"[]," * 1_300_000 + b"0]}}",
        "4 MB of numbers": start + b"[" + b"1," * 1_900_000 + b"0]}}",
        "4 MB of names": start + b"{" + b",".join(b'"%07d":0' % n for n in range(340_000)) + b"}}}",
        "deep JSON": start + b"[" * 1_000_000,
        "deep JSON of objects": start + b'{"a":' * 500_000,
        "deep JSON that ends": start + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    }


def body_of(document: str) -> bytes:
    return json.dumps({"query": document}).encode()


def codes_of(answer: Json) -> set[Any]:
    """The codes of an answer in which nothing was executed."""
    assert answer.get("data") is None, answer
    return {error["extensions"]["code"] for error in answer["errors"]}

"""Which output schemas are taken, and that a hostile one costs little."""

import asyncio
import time
from typing import Any

import pytest

from core.errors import ValidationFailed
from services.output_schemas import MAX_BYTES, MAX_PATTERNS, compile_schema, require_output_schema

PATH = ("input", "config", "outputSchema")


def nested(levels: int) -> dict[str, Any]:
    return {"not": nested(levels - 1)} if levels else {}


def with_patterns(pattern: str, count: int) -> dict[str, Any]:
    return {"properties": {f"p{index}": {"pattern": f"{pattern}{index}"} for index in range(count)}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": ["string", "null"]}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{"const": 1}], "items": False},
        {"$ref": "#"},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"pattern": "^(?!no)[^@\\s]{1,64}@example\\.com$"},
        {"properties": {"pattern": {"type": "string"}, "patternProperties": {"type": "object"}}},
        nested(60),
        with_patterns("^\\w{1,64}$", MAX_PATTERNS),
    ],
)
def test_a_schema_of_2020_12_is_taken(schema: dict[str, Any]) -> None:
    require_output_schema(schema, PATH)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (True, "must be a JSON object"),
        ([], "must be a JSON object"),
        ("{}", "must be a JSON object"),
        ({"type": "objekt"}, '/type: "objekt" is not valid'),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength: -1 is less"),
        ({"items": [{}]}, "is not of type"),
        ({"maximum": float("inf")}, "beyond those of JSON"),
        ({"$ref": "#/$defs/nowhere"}, "does not exist"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/hostname"}, "Retrieval is disabled"),
        ({"pattern": "("}, 'not a "regex"'),
        ({"patternProperties": {"(": {}}}, 'not a "regex"'),
        ({"enum": ["x" * MAX_BYTES]}, "at most 65,536 bytes"),
        ({"type": "y" * 60_000}, "/type: "),
        (nested(65), "levels deep"),
        ({"maximum": 2**70}, "beyond 64 bits"),
    ],
)
def test_anything_else_is_refused_for_a_reason(schema: Any, reason: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        require_output_schema(schema, PATH)
    assert refused.value.path[:3] == PATH
    assert reason in refused.value.message
    assert len(refused.value.message) < 400


def test_what_cant_be_stored_is_refused_at_its_place() -> None:
    with pytest.raises(ValidationFailed) as refused:
        require_output_schema({"properties": {"a": {"const": "\x00"}}}, PATH)
    assert refused.value.path == (*PATH, "properties", "a", "const")


@pytest.mark.parametrize(
    "schema",
    [
        with_patterns("a", MAX_PATTERNS + 1),
        {"patternProperties": {f"a{index}": {} for index in range(MAX_PATTERNS + 1)}},
        {"allOf": [with_patterns("a", MAX_PATTERNS // 2 + 1)] * 2},
    ],
)
def test_more_patterns_than_the_event_loop_has_time_for_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed, match="at most 50 patterns"):
        require_output_schema(schema, PATH)


def test_patterns_that_would_take_hundreds_of_megabytes_are_refused_quickly() -> None:
    began = time.perf_counter()
    with pytest.raises(ValidationFailed, match="not a"):
        require_output_schema(with_patterns("((a{99}){99}){9}", MAX_PATTERNS), PATH)
    assert time.perf_counter() - began < 2


def test_references_that_double_at_each_step_cost_nothing_to_check() -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    began = time.perf_counter()
    require_output_schema({"$ref": "#/$defs/d0", "$defs": doubling | {"d60": {}}}, PATH)
    assert time.perf_counter() - began < 2


async def test_no_reference_opens_a_connection() -> None:
    connected = asyncio.Event()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for keyword in ("$ref", "$dynamicRef", "$schema", "$id"):
        url = f"http://127.0.0.1:{port}/{keyword}"
        try:
            await asyncio.to_thread(require_output_schema, {keyword: url}, PATH)
        except ValidationFailed:
            assert keyword in ("$ref", "$dynamicRef")
    server.close()
    await server.wait_closed()
    assert not connected.is_set()


def test_a_pattern_that_backtracks_without_end_gives_up() -> None:
    # The look-ahead rules out the engine that runs in linear time.
    validator = compile_schema({"pattern": "(?=a)(a|aa|a)*\\1b"})
    began = time.perf_counter()
    assert not validator.is_valid("a" * 10_000)
    assert time.perf_counter() - began < 2

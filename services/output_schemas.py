"""The JSON Schemas (2020-12) that agents' final answers must satisfy."""

from typing import Any

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, ValidationError

from core.errors import ValidationFailed
from core.inputs import Path, require_json

MAX_BYTES = 64 * 1024
# Patterns are compiled before a schema's first use, on the event loop: these two bound the time and memory of that.
MAX_PATTERNS = 50
_PATTERN_OPTIONS = FancyRegexOptions(size_limit=1_000_000, backtrack_limit=10_000)
_MAX_REASON_CHARS = 300


def compile_schema(schema: dict[str, Any]) -> Draft202012Validator:
    """What tells whether an answer satisfies ``schema``. References lead nowhere but within it: nothing is fetched.

    Raises:
        jsonschema_rs.ValidationError: it is no schema, or refers to what isn't there.
    """
    return Draft202012Validator(schema, offline=True, pattern_options=_PATTERN_OPTIONS)


def require_output_schema(schema: Any, path: Path) -> None:
    """Raises ValidationFailed unless ``schema`` is a JSON object that `compile_schema` takes, within the limits."""
    if not isinstance(schema, dict):
        raise ValidationFailed("The output schema must be a JSON object.", path)
    require_json(schema, path, max_bytes=MAX_BYTES, what="The output schema")
    if _count_patterns(schema) > MAX_PATTERNS:
        raise ValidationFailed(f"The output schema must have at most {MAX_PATTERNS} patterns.", path)
    try:
        compile_schema(schema)
    except ValidationError as error:
        place = "".join(f"/{part}" for part in error.instance_path)
        reason = f"{place}: {error.message}" if place else error.message
        raise ValidationFailed(
            f"The output schema is no valid JSON Schema (2020-12): {reason[:_MAX_REASON_CHARS]}", path
        ) from error


def _count_patterns(node: Any) -> int:
    if isinstance(node, list):
        return sum(map(_count_patterns, node))
    if not isinstance(node, dict):
        return 0
    by_pattern = node.get("patternProperties")
    own = isinstance(node.get("pattern"), str) + (len(by_pattern) if isinstance(by_pattern, dict) else 0)
    return own + sum(map(_count_patterns, node.values()))

"""What an agent can be configured to do, and what a configuration must be like."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import NotFound, ValidationFailed
from core.inputs import Path, require_storable, require_text
from providers.registry import Providers
from services.output_schemas import require_output_schema

MAX_MODEL_CHARS = 200
MAX_FALLBACK_MODELS = 5
MAX_INSTRUCTIONS_CHARS = 100_000
MAX_TEMPERATURE = 2
MAX_OUTPUT_TOKENS = 1_000_000
MAX_STEPS = 100

_PATH: Path = ("input", "config")


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A tool that the agent may use; ``requires_approval``: a person decides on each call."""

    name: str
    requires_approval: bool = False


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """All that a version of an agent consists of.

    ``fallback_models``: tried in order when the model fails before its first token. ``max_steps``: the most model calls
    of one run. ``output_schema``: what the final answer must satisfy; None for plain text.
    """

    model: str
    fallback_models: tuple[str, ...] = ()
    instructions: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None
    max_steps: int = 20
    tools: tuple[AgentTool, ...] = ()
    output_schema: dict[str, Any] | None = None
    memory_bank_id: UUID | None = None


def require_config(config: AgentConfig, providers: Providers) -> None:
    """Check a configuration; the path of what is raised leads to the fault.

    Raises:
        ValidationFailed: a value is out of bounds, can't be stored, or names a model or tool that isn't there.
        NotFound: there is no such memory bank.
    """
    _require_models(config, providers)
    _require_instructions(config.instructions)
    _require_within(config.temperature, 0, MAX_TEMPERATURE, "temperature", "The temperature")
    _require_within(config.max_output_tokens, 1, MAX_OUTPUT_TOKENS, "maxOutputTokens", "The most output tokens")
    _require_within(config.max_steps, 1, MAX_STEPS, "maxSteps", "The most steps")
    if config.tools:
        raise ValidationFailed("There is no tool of this name; so far there are none.", (*_PATH, "tools", "0", "name"))
    if config.output_schema is not None:
        require_output_schema(config.output_schema, (*_PATH, "outputSchema"))
    if config.memory_bank_id is not None:
        raise NotFound("There is no memory bank with this id.", (*_PATH, "memoryBankId"))


def _require_models(config: AgentConfig, providers: Providers) -> None:
    _require_model(config.model, (*_PATH, "model"), providers)
    path = (*_PATH, "fallbackModels")
    if len(config.fallback_models) > MAX_FALLBACK_MODELS:
        raise ValidationFailed(f"There can be at most {MAX_FALLBACK_MODELS} fallback models.", path)
    earlier = {config.model}
    for index, model in enumerate(config.fallback_models):
        _require_model(model, (*path, str(index)), providers)
        if model in earlier:
            raise ValidationFailed(f"{model} would be tried already; name each model once.", (*path, str(index)))
        earlier.add(model)


def _require_model(name: str, path: Path, providers: Providers) -> None:
    require_text(name, path, max_chars=MAX_MODEL_CHARS, what="The model's name")
    providers.require(name, path)


def _require_instructions(instructions: str) -> None:
    path = (*_PATH, "instructions")
    require_storable(instructions, path, what="The instructions")
    if len(instructions) > MAX_INSTRUCTIONS_CHARS:
        raise ValidationFailed(
            f"The instructions must be at most {MAX_INSTRUCTIONS_CHARS:,} characters long;"
            f" these have {len(instructions):,}.",
            path,
        )


def _require_within(value: float | None, low: int, high: int, field: str, what: str) -> None:
    # Written so that NaN, which is neither below nor above anything, fails.
    if value is not None and not low <= value <= high:
        raise ValidationFailed(f"{what} must be within {low:,} and {high:,}.", (*_PATH, field))

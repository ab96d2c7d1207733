"""Writes providers/models.json anew, from the model map in the installed litellm: python -m commands.model_facts

Only facts of chat models of the hosted providers and Ollama are taken over. litellm itself is not imported.
"""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from commands.terminal import say
from providers.model_facts import FACTS_FILE

_MAP = "model_prices_and_context_window_backup.json"
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "xai": "xai",
    "ollama": "ollama",
}
# Fine-tuned models have names of their own; the others do not answer text with text, or not by themselves.
_OTHER_KINDS = re.compile(r"^ft:|audio|research|computer-use")
_PRICES = {
    "input_usd": "input_cost_per_token",
    "cached_usd": "cache_read_input_token_cost",
    "output_usd": "output_cost_per_token",
}
_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def main() -> None:
    FACTS_FILE.write_text(render())
    say(f"Wrote {FACTS_FILE}")


def render() -> str:
    """The file's text: one model a line, sorted by name."""
    facts = dict(_facts(json.loads(_map_file().read_text(), parse_float=Decimal)))
    lines = [f"{json.dumps(name)}: {json.dumps(facts[name])}" for name in sorted(facts)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _map_file() -> Path:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name(_MAP)


def _facts(models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, model in models.items():
        provider = _PROVIDERS.get(model.get("litellm_provider", ""))
        if provider is None or not _chats(name, model):
            continue
        facts: dict[str, Any] = {
            "context_tokens": model["max_input_tokens"],
            "output_tokens": model.get("max_output_tokens"),
            "tools": bool(model.get("supports_function_calling")),
            "structured_output": bool(model.get("supports_response_schema")),
            **_prices(model),
        }
        if tier := next(filter(None, map(_TIER.fullmatch, model)), None):
            facts["long_prompts"] = {"above_tokens": int(tier[1]) * 1000, **_prices(model, f"_above_{tier[1]}k_tokens")}
        yield f"{provider}/{name.rpartition('/')[2]}", facts


def _chats(name: str, model: Mapping[str, Any]) -> bool:
    return (
        model.get("mode") == "chat"
        and bool(model.get("max_input_tokens"))
        and "/v1/chat/completions" in model.get("supported_endpoints", ["/v1/chat/completions"])
        and "text" in model.get("supported_output_modalities", ["text"])
        and not _OTHER_KINDS.search(name)
    )


def _prices(model: Mapping[str, Any], suffix: str = "") -> dict[str, str]:
    """US dollars per million tokens, as decimal strings."""
    prices = {name: model.get(f"{field}{suffix}") for name, field in _PRICES.items()}
    return {name: _per_million(price) for name, price in prices.items() if price is not None}


def _per_million(price: Decimal | float) -> str:
    return f"{(Decimal(price) * 1_000_000).normalize():f}"


if __name__ == "__main__":
    main()

"""What is known of the hosted providers' models: ``models.json``, which `commands.model_facts` takes from litellm."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from providers.prices import PriceList, Prices

FACTS_FILE = Path(__file__).with_name("models.json")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model. ``context_tokens``: the most it takes in; ``output_tokens``: the most it puts out in one answer."""

    context_tokens: int
    output_tokens: int | None
    tools: bool
    structured_output: bool
    prices: PriceList | None


@cache
def model_facts() -> dict[str, ModelFacts]:
    """All models by name, as ``openai/gpt-5``, in the order of their names."""
    return {name: _parse(fields) for name, fields in orjson.loads(FACTS_FILE.read_bytes()).items()}


def _parse(fields: dict[str, Any]) -> ModelFacts:
    return ModelFacts(
        context_tokens=fields["context_tokens"],
        output_tokens=fields["output_tokens"],
        tools=fields["tools"],
        structured_output=fields["structured_output"],
        prices=_price_list(fields),
    )


def _price_list(fields: dict[str, Any]) -> PriceList | None:
    if "input_usd" not in fields or "output_usd" not in fields:
        return None
    tier = fields.get("long_prompts")
    if tier is None:
        return PriceList(_prices(fields))
    return PriceList(_prices(fields), tier["above_tokens"], _prices(fields | tier))


def _prices(fields: dict[str, Any]) -> Prices:
    input_usd, output_usd = Decimal(fields["input_usd"]), Decimal(fields["output_usd"])
    # A cache without a price of its own saves nothing.
    return Prices(input_usd, output_usd, Decimal(fields.get("cached_usd", input_usd)))

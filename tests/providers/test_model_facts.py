"""The facts about models: whether they are litellm's of today, and what calls cost by them."""

from decimal import Decimal

import pytest

from commands import model_facts as command
from core.events import TokenUsage
from providers.model_facts import FACTS_FILE, model_facts
from providers.prices import PriceList, Prices


def test_the_committed_facts_are_those_of_the_locked_litellm() -> None:
    assert FACTS_FILE.read_text() == command.render(), "Run: make catalogue"


def test_every_provider_has_models_and_every_model_has_what_is_promised() -> None:
    facts = model_facts()
    assert {name.partition("/")[0] for name in facts} == {"openai", "anthropic", "google", "mistral", "xai", "ollama"}
    assert all(model.context_tokens > 0 and model.prices is not None for model in facts.values())


def price_list(name: str) -> PriceList:
    prices = model_facts()[name].prices
    assert prices is not None
    return prices


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("openai/gpt-5", TokenUsage(1_000_000, 0), "1.25"),
        ("openai/gpt-5", TokenUsage(0, 1_000_000), "10"),
        ("openai/gpt-5", TokenUsage(1_000_000, 0, cached_tokens=1_000_000), "0.125"),
        ("openai/gpt-5", TokenUsage(3, 7, cached_tokens=1), "0.000072625"),
        ("google/gemini-2.5-pro", TokenUsage(200_000, 1_000), "0.26"),
        ("google/gemini-2.5-pro", TokenUsage(200_001, 1_000), "0.5150025"),
        ("ollama/llama3.1", TokenUsage(1_000_000, 1_000_000), "0"),
    ],
)
def test_calls_cost_what_the_provider_asks(model: str, usage: TokenUsage, cost: str) -> None:
    assert price_list(model).cost_usd(usage) == Decimal(cost)


def test_more_cached_tokens_than_there_are_cost_no_less_than_nothing() -> None:
    prices = PriceList(Prices(Decimal(2), Decimal(0), Decimal(1)))
    assert prices.cost_usd(TokenUsage(1_000_000, 0, cached_tokens=5_000_000)) == Decimal(1)

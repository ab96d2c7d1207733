"""What is known of each model."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.events import TokenUsage


class ProviderName(StrEnum):
    """The providers, as the API's enum has them, and the scripted double besides."""

    OPENAI = "OPENAI"
    ANTHROPIC = "ANTHROPIC"
    GOOGLE = "GOOGLE"
    MISTRAL = "MISTRAL"
    XAI = "XAI"
    OLLAMA = "OLLAMA"
    LOCAL = "LOCAL"
    OPENAI_COMPATIBLE = "OPENAI_COMPATIBLE"
    LITELLM = "LITELLM"
    SCRIPTED = "SCRIPTED"

    def model(self, name: str) -> str:
        """The public name of this provider's model ``name``: ``provider/name``."""
        return f"{self.value.lower()}/{name}"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model. ``name`` is ``provider/model``; None means unknown; prices are US dollars per million tokens.

    ``available``: it can be called now.
    """

    name: str
    provider: ProviderName
    context_window: int | None
    max_output_tokens: int | None
    supports_tools: bool
    supports_structured_output: bool
    input_usd_per_million_tokens: Decimal | None
    output_usd_per_million_tokens: Decimal | None
    available: bool

    def cost_usd(self, usage: TokenUsage) -> Decimal:
        """What a call costs in US dollars, exactly; nothing where the price is unknown."""
        input_price = self.input_usd_per_million_tokens or Decimal(0)
        output_price = self.output_usd_per_million_tokens or Decimal(0)
        return (usage.input_tokens * input_price + usage.output_tokens * output_price) / 1_000_000

"""What models cost."""

from dataclasses import dataclass
from decimal import Decimal

from core.events import TokenUsage


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens. ``cached_usd``: of input tokens that came from the provider's cache."""

    input_usd: Decimal
    output_usd: Decimal
    cached_usd: Decimal


@dataclass(frozen=True, slots=True)
class PriceList:
    """A model's prices. ``long_prompts`` hold for the whole of a call with more than ``long_from`` input tokens."""

    usual: Prices
    long_from: int | None = None
    long_prompts: Prices | None = None

    def cost_usd(self, usage: TokenUsage) -> Decimal:
        """What a call costs in US dollars, exactly."""
        prices = self.usual
        if self.long_prompts is not None and self.long_from is not None and usage.input_tokens > self.long_from:
            prices = self.long_prompts
        cached_tokens = min(usage.cached_tokens, usage.input_tokens)
        return (
            (usage.input_tokens - cached_tokens) * prices.input_usd
            + cached_tokens * prices.cached_usd
            + usage.output_tokens * prices.output_usd
        ) / 1_000_000


FREE = PriceList(Prices(Decimal(0), Decimal(0), Decimal(0)))

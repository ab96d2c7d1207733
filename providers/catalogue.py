"""What is known of each model, and how models are named."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.events import TokenUsage
from providers.prices import PriceList

DEFAULT_CREDENTIAL = "default"
MAX_MODEL_NAME_CHARACTERS = 200

_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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

    def model(self, name: str, credential: str = DEFAULT_CREDENTIAL) -> str:
        """The public name of this provider's model ``name``, called with ``credential``."""
        prefix = self.value.lower()
        return f"{prefix}/{name}" if credential == DEFAULT_CREDENTIAL else f"{prefix}:{credential}/{name}"


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's public name, taken apart: ``provider/model``, or ``provider:credential/model``."""

    provider: ProviderName
    credential: str
    model: str

    @classmethod
    def parse(cls, text: str) -> "ModelName | None":
        """None when it can't be the name of a model, whoever serves it."""
        prefix, _, model = text.partition("/")
        provider, colon, credential = prefix.partition(":")
        if not _is_plausible(model) or not provider.islower() or provider.upper() not in ProviderName.__members__:
            return None
        if colon and not is_credential_name(credential):
            return None
        return cls(ProviderName(provider.upper()), credential or DEFAULT_CREDENTIAL, model)


def is_credential_name(text: str) -> bool:
    """Whether a credential can have this name: it stands between a colon and a slash."""
    return _CREDENTIAL_NAME.fullmatch(text) is not None


def _is_plausible(model: str) -> bool:
    return 0 < len(model) <= MAX_MODEL_NAME_CHARACTERS and model.isprintable() and model == model.strip()


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model. ``name`` is its public name; None means unknown. ``available``: it can be called now."""

    name: str
    provider: ProviderName
    context_window: int | None
    max_output_tokens: int | None
    supports_tools: bool
    supports_structured_output: bool
    prices: PriceList | None
    available: bool

    @property
    def input_usd_per_million_tokens(self) -> Decimal | None:
        return self.prices.usual.input_usd if self.prices else None

    @property
    def output_usd_per_million_tokens(self) -> Decimal | None:
        return self.prices.usual.output_usd if self.prices else None

    def cost_usd(self, usage: TokenUsage) -> Decimal:
        """What a call costs in US dollars, exactly; nothing where the price is unknown."""
        return self.prices.cost_usd(usage) if self.prices else Decimal(0)

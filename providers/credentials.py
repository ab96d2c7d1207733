"""What a provider is called with, and what each one asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from providers.catalogue import ProviderName


@dataclass(frozen=True, slots=True)
class Credential:
    """A provider's key, in the clear, and its address. An empty key or no address: what the provider has without."""

    api_key: str = field(default="", repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a credential must have."""

    api_key: bool = False
    base_url: bool = False


_HOSTED = Needs(api_key=True)
# Providers that are missing here are called without a credential.
NEEDS: Mapping[ProviderName, Needs] = {
    ProviderName.OPENAI: _HOSTED,
    ProviderName.ANTHROPIC: _HOSTED,
    ProviderName.GOOGLE: _HOSTED,
    ProviderName.MISTRAL: _HOSTED,
    ProviderName.XAI: _HOSTED,
    ProviderName.LITELLM: _HOSTED,
    ProviderName.OLLAMA: Needs(base_url=True),
    ProviderName.OPENAI_COMPATIBLE: Needs(base_url=True),
}


def is_http_url(text: str) -> bool:
    """Whether ``text`` can be a base URL: http or https, with a host, and nothing but a path after it."""
    try:
        url = urlsplit(text)
        # An empty port is none; reading one beyond 65535 raises.
        return (
            url.scheme in ("http", "https")
            and bool(url.hostname)
            and "@" not in url.netloc
            and not (url.query or url.fragment)
            and (url.port is None or url.port > 0)
            and text.isprintable()
            and " " not in text
        )
    except ValueError:
        return False

"""Which providers there are, by the settings, and which of them serves a model: ``provider/model``."""

import asyncio
from decimal import Decimal
from urllib.parse import urlsplit

from core.errors import StartupRefused, ValidationFailed
from core.settings import Settings
from providers import local, scripted
from providers.catalogue import CatalogueEntry, ProviderName
from providers.local import LocalProvider
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ModelProvider
from providers.scripted import ScriptedProvider

MAX_MODEL_NAME_CHARACTERS = 200

_FREE = Decimal(0)


class Providers:
    """The providers of one process. Costs nothing until a model is called; must be closed then.

    Raises:
        StartupRefused: the base URL of the OpenAI-compatible endpoint is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._providers: dict[ProviderName, ModelProvider] = {ProviderName.LOCAL: LocalProvider()}
        self._catalogue = [_local_entry()]
        if settings.openai_compatible_base_url:
            self._providers[ProviderName.OPENAI_COMPATIBLE] = _openai_compatible(settings)
            self._catalogue += [_openai_compatible_entry(name) for name in settings.openai_compatible_models]
        if settings.scripted_provider:
            self._providers[ProviderName.SCRIPTED] = ScriptedProvider()
            self._catalogue.append(_echo_entry())
        self._listed = {entry.name: entry for entry in self._catalogue}

    def catalogue(self) -> list[CatalogueEntry]:
        """The models that can be listed. An OpenAI-compatible endpoint may serve others besides."""
        return list(self._catalogue)

    def entry(self, model_name: str) -> CatalogueEntry | None:
        """What is known of a model; None for one that is not listed."""
        return self._listed.get(model_name)

    def knows(self, model_name: str) -> bool:
        """Whether a model of this name can be asked for; it need not be available."""
        return self._provider_of(model_name) is not None

    def resolve(self, model_name: str, path: tuple[str, ...] = ()) -> tuple[ModelProvider, str]:
        """The provider of ``model_name``, and the name that it knows the model by.

        Raises:
            ValidationFailed: there is no such model; the message lists those that can be called. ``path`` is passed on.
        """
        provider = self._provider_of(model_name)
        if provider is None:
            raise ValidationFailed(f"There is no such model. Available: {', '.join(self._choices()) or 'none'}.", path)
        return provider, model_name.partition("/")[2]

    async def aclose(self) -> None:
        """Release the connections and child processes of all providers."""
        await asyncio.gather(*(provider.aclose() for provider in self._providers.values()))

    def _provider_of(self, model_name: str) -> ModelProvider | None:
        prefix, _, model = model_name.partition("/")
        if model_name in self._listed:
            return self._providers[ProviderName(prefix.upper())]
        if prefix == "openai_compatible" and _is_plausible(model):
            return self._providers.get(ProviderName.OPENAI_COMPATIBLE)
        return None

    def _choices(self) -> list[str]:
        choices = [entry.name for entry in self._catalogue if entry.available]
        if ProviderName.OPENAI_COMPATIBLE in self._providers:
            choices.append("openai_compatible/ with any name that the endpoint serves")
        return choices


def _is_plausible(model: str) -> bool:
    return 0 < len(model) <= MAX_MODEL_NAME_CHARACTERS and model.isprintable() and model == model.strip()


def _openai_compatible(settings: Settings) -> OpenAICompatibleProvider:
    base_url = settings.openai_compatible_base_url or ""
    if not _is_http_url(base_url):
        raise StartupRefused("OPENAI_COMPATIBLE_BASE_URL must be an http or https URL, such as https://host/v1.")
    key = settings.openai_compatible_api_key
    return OpenAICompatibleProvider(
        base_url, key.get_secret_value() if key else "", idle_timeout_s=settings.provider_idle_timeout_s
    )


def _is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        return False


def _local_entry() -> CatalogueEntry:
    return CatalogueEntry(
        name=ProviderName.LOCAL.model(local.MODEL),
        provider=ProviderName.LOCAL,
        context_window=local.CONTEXT_TOKENS,
        max_output_tokens=local.MAX_OUTPUT_TOKENS,
        supports_tools=False,  # it is too small to learn of tools from its prompt
        supports_structured_output=True,  # llama.cpp constrains its tokens to the schema
        input_usd_per_million_tokens=_FREE,
        output_usd_per_million_tokens=_FREE,
        available=local.is_installed(),
    )


def _openai_compatible_entry(model: str) -> CatalogueEntry:
    return CatalogueEntry(
        name=ProviderName.OPENAI_COMPATIBLE.model(model),
        provider=ProviderName.OPENAI_COMPATIBLE,
        context_window=None,
        max_output_tokens=None,
        supports_tools=True,  # the protocol has both; whether the model does is its operator's to know
        supports_structured_output=True,
        input_usd_per_million_tokens=None,
        output_usd_per_million_tokens=None,
        available=True,
    )


def _echo_entry() -> CatalogueEntry:
    return CatalogueEntry(
        name=ProviderName.SCRIPTED.model(scripted.ECHO_MODEL),
        provider=ProviderName.SCRIPTED,
        context_window=None,
        max_output_tokens=None,
        supports_tools=False,
        supports_structured_output=False,
        input_usd_per_million_tokens=_FREE,
        output_usd_per_million_tokens=_FREE,
        available=True,
    )

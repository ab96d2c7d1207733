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
    assert [model["name"] for model in everything] == [
        "local/smollm2-135m",
        "openai_compatible/listed",
        "scripted/echo",
    ]
    for model in everything:
        assert await models(ada, model["provider"]) == [model]
    assert await models(ada, "OPENAI") == []


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

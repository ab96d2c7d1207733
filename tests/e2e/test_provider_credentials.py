"""Credentials over the API, and runs that call providers with them."""

from base64 import b64encode
from typing import Any

import pytest

from core.envelopes import Envelopes
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from core.ids import new_id
from core.permissions import Role
from models import migrate
from models.database import open_connection
from models.provider_credentials import ProviderCredential
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.e2e.colleagues import colleague
from tests.operations import SET_PROVIDER_CREDENTIAL, answer, complete_run, create_agent, unknown_id
from tests.servers.app import Server
from tests.servers.command import run
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import ServerProcess
from tests.upstream.server import Upstream
from tests.upstream.wires import ANTHROPIC, OPENAI, Wire

KEY = "sk-of-this-tenant-4711"
OTHERS = {"provider": "XAI", "apiKey": KEY}
CREDENTIAL = "id provider name baseUrl keyHint createdAt"
LIST = f"query ($id: ID!) {{ workspace(id: $id) {{ name providerCredentials {{ {CREDENTIAL} }} }} }}"
NODE = "query ($id: ID!) { node(id: $id) { id ... on ProviderCredential { name provider } } }"
MODELS = "query ($id: ID!, $provider: Provider) { models(workspaceId: $id, provider: $provider) { name available } }"


async def set_credential(member: Member, **input: Any) -> Json:
    values = {"workspaceId": member.workspace_id, "provider": "OPENAI", "apiKey": KEY} | input
    return await answer(member.client, SET_PROVIDER_CREDENTIAL, **values)


async def credential(member: Member, **input: Any) -> Json:
    made: Json = (await set_credential(member, **input))["credential"]
    return made


async def test_a_credential_shows_all_but_its_key(server: Server) -> None:
    member = await sign_up(server)
    made = await credential(member, baseUrl="https://gateway.example.com/v1")
    assert made["id"].startswith("cred_")
    assert (made["provider"], made["name"], made["keyHint"]) == ("OPENAI", "default", "4711")
    listed = await member.client.send(LIST, id=member.workspace_id)
    assert listed.data["workspace"]["providerCredentials"] == [made]
    assert KEY not in str(listed.body)
    found = (await member.client.execute(NODE, id=made["id"]))["node"]
    assert found == {"id": made["id"], "name": "default", "provider": "OPENAI"}


async def test_several_of_a_provider_have_names_and_setting_one_again_replaces_it(server: Server) -> None:
    member = await sign_up(server)
    first, team = await credential(member), await credential(member, name="team")
    again = await credential(member, apiKey="sk-something-else-9999")
    assert again == {**first, "keyHint": "9999"}
    listed = (await member.client.execute(LIST, id=member.workspace_id))["workspace"]["providerCredentials"]
    assert listed == [again, team]


async def test_admins_may_set_and_see_credentials(server: Server) -> None:
    owner = await sign_up(server)
    admin = await colleague(server, owner, Role.ADMIN)
    made = (
        await answer(admin.client, SET_PROVIDER_CREDENTIAL, workspaceId=owner.workspace_id, provider="XAI", apiKey=KEY)
    )["credential"]
    assert (await admin.client.execute(NODE, id=made["id"]))["node"]["name"] == "default"


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
async def test_others_see_none_and_set_none(server: Server, role: Role) -> None:
    owner = await sign_up(server)
    made = await credential(owner)
    other = await colleague(server, owner, role)
    result = await answer(
        other.client, SET_PROVIDER_CREDENTIAL, workspaceId=owner.workspace_id, provider="OPENAI", apiKey=KEY
    )
    assert (result["__typename"], result["code"]) == ("ForbiddenError", "FORBIDDEN")
    seen = await other.client.send(LIST, id=owner.workspace_id)
    assert seen.codes == ["FORBIDDEN"]
    assert seen.body["data"]["workspace"] == {"name": "Lab", "providerCredentials": None}
    assert (await other.client.execute(NODE, id=made["id"]))["node"] is None


async def test_other_tenants_see_nothing_at_all(server: Server) -> None:
    owner, stranger = await sign_up(server), await sign_up(server)
    made = await credential(owner)
    assert (await stranger.client.execute(NODE, id=made["id"]))["node"] is None
    for workspace_id in (owner.workspace_id, unknown_id(owner.workspace_id), "garbage"):
        result = await answer(
            stranger.client, SET_PROVIDER_CREDENTIAL, workspaceId=workspace_id, provider="OPENAI", apiKey=KEY
        )
        assert (result["__typename"], result["path"]) == ("NotFoundError", ["input", "workspaceId"])


async def test_what_a_provider_needs_is_asked_for(server: Server) -> None:
    member = await sign_up(server)
    result = await set_credential(member, provider="OLLAMA", apiKey=None)
    assert (result["__typename"], result["path"]) == ("ValidationError", ["input", "baseUrl"])
    assert "base URL" in result["message"]


async def test_models_are_available_where_a_credential_is_set(server: Server) -> None:
    member, other = await sign_up(server), await sign_up(server)
    await credential(member, provider="GOOGLE")
    for each, available in ((member, True), (other, False)):
        listed = (await each.client.execute(MODELS, id=each.workspace_id, provider="GOOGLE"))["models"]
        assert {"name": "google/gemini-2.5-pro", "available": available} in listed
    await credential(member, provider="GOOGLE", name="team")
    listed = (await member.client.execute(MODELS, id=member.workspace_id, provider="GOOGLE"))["models"]
    assert {"name": "google:team/gemini-2.5-pro", "available": True} in listed


@pytest.mark.parametrize(
    ("wire", "provider", "prefix", "model", "cost"),
    [
        (OPENAI, "OPENAI", "openai", "gpt-5", "0.0003"),
        (OPENAI, "OPENAI", "openai:team", "gpt-5-mini", "0.00006"),
        (ANTHROPIC, "ANTHROPIC", "anthropic", "claude-sonnet-4-5", "0.0006"),
    ],
    ids=["OpenAI", "named", "Anthropic"],
)
async def test_a_run_calls_the_provider_and_costs_what_it_asks(
    ada: Member, upstream: Upstream, wire: Wire, provider: str, prefix: str, model: str, cost: str
) -> None:
    said: list[ModelEvent] = [TextDelta("Good "), TextDelta("day"), ModelFinished(FinishReason.STOP, _usage(prefix))]
    upstream.serve(wire.reply(said), model=model)
    await credential(
        ada,
        provider=provider,
        name=prefix.partition(":")[2] or "default",
        baseUrl=f"{upstream.origin}{wire.path}",
    )
    ended = await complete_run(ada, await create_agent(ada, f"{prefix}/{model}"))
    assert (ended["status"], ended["outputText"]) == ("SUCCEEDED", "Good day")
    assert ended["usage"]["costUsd"] == cost
    sent = upstream.exchanges(model)[-1].headers
    assert KEY in (sent.get("Authorization", ""), sent.get("x-api-key", "")) or sent["Authorization"] == f"Bearer {KEY}"


def _usage(prefix: str) -> TokenUsage:
    return TokenUsage(80, 20) if prefix != "anthropic" else TokenUsage(100, 20)


async def test_a_run_without_the_credential_fails_and_says_so(ada: Member) -> None:
    ended = await complete_run(ada, await create_agent(ada, "mistral/mistral-large-latest"))
    assert (ended["status"], ended["failure"]["code"]) == ("FAILED", "PROVIDER_FAILED")
    assert "no credential 'default' for MISTRAL" in ended["failure"]["message"]
    assert not ended["failure"]["retryable"]


async def test_without_the_credential_a_fallback_model_answers(ada: Member) -> None:
    agent = await create_agent(ada, "mistral/mistral-large-latest", fallbackModels=["scripted/echo"])
    ended = await complete_run(ada, agent, "Anyone?")
    assert (ended["status"], ended["outputText"]) == ("SUCCEEDED", "Anyone?")


async def test_a_key_that_the_provider_refuses_is_not_repeated(ada: Member, upstream: Upstream) -> None:
    upstream.serve(OPENAI.failure(401, f"Incorrect API key provided: {KEY}"), model="gpt-4.1")
    await credential(ada, name="refused", baseUrl=upstream.base_url)
    ended = await complete_run(ada, await create_agent(ada, "openai:refused/gpt-4.1"))
    assert (ended["status"], ended["failure"]["code"]) == ("FAILED", "PROVIDER_FAILED")
    assert KEY not in str(ended)


async def test_no_key_reaches_the_servers_log(executing: ServerProcess, ada: Member, upstream: Upstream) -> None:
    await credential(ada, name="logged", baseUrl="http://127.0.0.1:9/v1")
    await complete_run(ada, await create_agent(ada, "openai:logged/gpt-5"))
    await set_credential(ada, name="not a name")
    assert KEY not in executing.command.output


def ring(*kids: str) -> str:
    return ",".join(f"{kid}:{b64encode(kid.encode() * 32).decode()[:43]}=" for kid in kids)


async def test_the_command_rotates_keys_and_names_those_that_are_missing() -> None:
    name = f"rotation_{new_id().hex}"
    url = await create_database(name)
    try:
        await migrate.require_current(url)
        row = ProviderCredential(id=new_id(), workspace_id=new_id(), provider="OPENAI", name="default")
        row.envelope = Envelopes.parse(ring("o")).seal(KEY, row.place)
        connection = await open_connection(url)
        await connection.execute(
            "INSERT INTO workspaces (id, name, slug, created_at) VALUES ($1, 'Lab', 'lab', now())", row.workspace_id
        )
        await connection.execute(
            "INSERT INTO provider_credentials (id, workspace_id, provider, name, kid, wrapped_data_key, encrypted_key,"
            " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, now())",
            *(row.id, row.workspace_id, row.provider, row.name, row.kid, row.wrapped_data_key, row.encrypted_key),
        )
        exit_code, output = await run("rotate-keys", DATABASE_URL=url, SECRET_KEYS=ring("n"))
        assert exit_code == 1
        assert "1 with o" in output
        for wrapped in (1, 0):
            exit_code, output = await run("rotate-keys", DATABASE_URL=url, SECRET_KEYS=ring("n", "o"))
            assert (exit_code, output) == (0, f"Wrapped {wrapped} credential(s) anew.")
        assert await connection.fetchval("SELECT kid FROM provider_credentials") == "n"
        await connection.close()
    finally:
        await drop_database(name)

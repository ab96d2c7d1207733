"""The adapter to litellm: what it refuses, what it says of failures, and what importing it does."""

import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from core.errors import ProviderFailed
from providers.connections import AbruptConnector, Connections
from providers.credentials import Credential
from providers.litellm import AMBIENT_PROVIDERS, LiteLLM, LiteLLMProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.answers import said_by
from tests.upstream.server import Upstream
from tests.upstream.wires import ANTHROPIC, WIRES, Wire

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-secret-of-a-tenant"

# No socket may be opened, and no .env read, while litellm is imported.
IMPORT = """
import socket, sys, asyncio, os
os.chdir(sys.argv[1])
def refuse(*_): raise SystemExit("a connection was attempted")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
sys.path.insert(0, sys.argv[2])
from core.settings import Settings
from providers.catalogue import ProviderName
from providers.registry import Providers
async def main():
    providers = Providers(Settings(database_url="postgresql://x", secret_keys="k:x"))
    await providers.warm_up(set(ProviderName) - {ProviderName.LITELLM})
    assert "litellm" not in sys.modules
    await providers.warm_up({ProviderName.OPENAI, ProviderName.LITELLM})
    assert "litellm" in sys.modules
    await providers.aclose()
asyncio.run(main())
assert "FROM_DOTENV" not in os.environ
"""


class Adapter(Protocol):
    def __call__(self, base_url: str, api_key: str = KEY) -> LiteLLMProvider: ...


@pytest.fixture
async def adapter() -> AsyncIterator[Adapter]:
    connections = Connections()
    litellm = LiteLLM(connections)

    def make(base_url: str, api_key: str = KEY) -> LiteLLMProvider:
        return LiteLLMProvider(litellm, Credential(api_key, base_url), idle_timeout_s=20)

    yield make
    await connections.aclose()


async def failure_of(provider: LiteLLMProvider, model: str) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await anext(said_by(provider, ModelRequest(model, [ChatMessage(ChatRole.USER, "my own words")])))
    return caught.value


def test_it_is_imported_only_for_who_needs_it_and_touches_neither_the_network_nor_a_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT, tmp_path, ROOT], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "model", ["bedrock/anthropic.claude-v2", "vertex_ai/gemini-pro", "azure/gpt-4o", "sagemaker/x", "github_copilot/x"]
)
async def test_providers_that_would_use_the_servers_own_credentials_are_refused(adapter: Adapter, model: str) -> None:
    failure = await failure_of(adapter("http://127.0.0.1:9"), model)
    assert model.partition("/")[0] in AMBIENT_PROVIDERS
    assert "not offered" in failure.message
    assert not failure.retryable


async def test_an_unknown_provider_is_a_fault_of_the_request(adapter: Adapter) -> None:
    failure = await failure_of(adapter("http://127.0.0.1:9"), "nonsense-provider/x")
    assert "knows no provider" in failure.message
    assert not failure.retryable


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
async def test_a_failure_says_what_the_provider_said_and_repeats_no_key(
    adapter: Adapter, upstream: Upstream, wire: Wire
) -> None:
    model = upstream.serve(wire.failure(400, f'The key "{KEY}" is bad.'))
    failure = await failure_of(adapter(f"{upstream.origin}{wire.path}"), f"{wire.family}/{model}")
    # Some of it, litellm has taken out already.
    assert failure.message.replace("REDACTED", "***") == 'The provider failed: The key "***" is bad.'
    assert failure.__cause__ is None


async def test_a_server_that_is_not_there_may_be_tried_again(adapter: Adapter) -> None:
    failure = await failure_of(adapter("http://127.0.0.1:9"), "anthropic/x")
    assert failure.retryable


async def test_its_own_connections_are_broken_off_as_ours_are(adapter: Adapter, upstream: Upstream) -> None:
    await failure_of(adapter(upstream.origin), f"anthropic/{upstream.serve(ANTHROPIC.failure(400, 'No.'))}")
    assert sys.modules["litellm.llms.custom_httpx.http_handler"].TCPConnector is AbruptConnector


async def test_nothing_of_a_failed_request_is_logged(
    adapter: Adapter, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    model = upstream.serve(ANTHROPIC.failure(400, "No."))
    with caplog.at_level(logging.WARNING):
        await failure_of(adapter(upstream.origin), f"anthropic/{model}")
    assert KEY not in caplog.text
    assert "my own words" not in caplog.text


async def test_a_call_without_a_key_never_sends_one_of_the_servers_environment(
    adapter: Adapter, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "sk-of-the-server")
    model = upstream.serve(WIRES["openai"].failure(401, "No."))
    await failure_of(adapter(upstream.base_url, api_key=""), f"groq/{model}")
    assert upstream.exchanges(model)[-1].headers["Authorization"] == "Bearer none"


def test_the_key_shows_nowhere(adapter: Adapter) -> None:
    provider = adapter("http://127.0.0.1:9")
    assert KEY not in repr(provider) + repr(Credential(KEY)) + str(Credential(KEY))

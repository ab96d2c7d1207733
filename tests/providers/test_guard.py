"""Addresses that tenants name lead to public ones only, as they are at the moment of connecting."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from core.settings import Settings
from providers import guard
from providers.credentials import Credential
from providers.port import ChatMessage, ChatRole, ModelRequest
from providers.registry import Providers
from tests.answers import said_by
from tests.upstream.replies import Reply
from tests.upstream.server import Upstream
from tests.upstream.wires import ANTHROPIC, GOOGLE, MISTRAL, OLLAMA, OPENAI, Wire

SAID: list[ModelEvent] = [TextDelta("Hello"), ModelFinished(FinishReason.STOP, TokenUsage(3, 1))]
# One for each way in which connections come about.
WAYS = [
    pytest.param("openai_compatible:mine", OPENAI, id="our adapter"),
    pytest.param("litellm/anthropic", ANTHROPIC, id="litellm over our session"),
    pytest.param("litellm/gemini", GOOGLE, id="litellm over its own sessions"),
    pytest.param("litellm/mistral", MISTRAL, id="mistral"),
    pytest.param("litellm/ollama_chat", OLLAMA, id="ollama"),
    pytest.param("litellm/groq", OPENAI, id="groq"),
    pytest.param("litellm/together_ai", OPENAI, id="openai's SDK"),
]
WRITTEN = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "0", "0.0.0.0", "localhost"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]"),
    # Digits of other kinds, which clients turn into plain ones.
    *("\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11"),
]
SETTINGS = {"database_url": "postgresql://x", "secret_keys": "k:x"}
# Each test has a name of its own, as connections that stand are used again.
NAME, TWOFOLD = "rebinding.example", "twofold.example"
FIRST, LATER = "127.0.0.1", "127.0.0.2"


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    """As they are unless the operator allows private addresses."""
    made = Providers(Settings.model_validate(SETTINGS))
    yield made
    await made.aclose()


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``NAME`` led to so far: ``FIRST``, which counts as public here, then ``LATER``, which does not."""
    given: list[str] = []
    look_up = socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in (NAME, NAME.encode()):
            given.append(LATER if given else FIRST)
            host = given[-1]
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(guard, "is_public", lambda address: address == ip_address(FIRST))
    return given


async def ask(
    providers: Providers, upstream: Upstream, way: str, wire: Wire, host: str, model: str
) -> list[ModelEvent]:
    """What the upstream answers when it is called by the name ``host``."""
    base_url = f"http://{host}:{urlsplit(upstream.origin).port}{wire.path}"
    provider, asked_for = providers.resolve(f"{way}/{model}", Credential("sk-tenant", base_url))
    return [event async for event in said_by(provider, ModelRequest(asked_for, [ChatMessage(ChatRole.USER, "Hi")]))]


@pytest.mark.parametrize(("way", "wire"), WAYS)
async def test_no_way_leads_to_a_private_address(
    providers: Providers, upstream: Upstream, way: str, wire: Wire
) -> None:
    for host in ("127.0.0.1", "localhost"):
        model = upstream.serve(wire.reply(SAID))
        with pytest.raises(ProviderFailed, match="not public") as caught:
            await ask(providers, upstream, way, wire, host, model)
        assert not caught.value.retryable
        assert upstream.exchanges(model) == []


@pytest.mark.parametrize("host", WRITTEN)
async def test_it_does_not_matter_how_an_address_is_written(
    providers: Providers, upstream: Upstream, host: str
) -> None:
    for way in ("openai_compatible:mine", "litellm/together_ai"):
        model = upstream.serve(OPENAI.reply(SAID))
        with pytest.raises(ProviderFailed):
            await ask(providers, upstream, way, OPENAI, host, model)
        assert upstream.exchanges(model) == []


@pytest.mark.parametrize(("way", "wire"), WAYS)
async def test_the_address_that_was_judged_is_the_one_that_is_called(
    providers: Providers, upstream: Upstream, look_ups: list[str], way: str, wire: Wire
) -> None:
    """A name that leads elsewhere once it was judged gains nothing by that."""
    model = upstream.serve(wire.reply(SAID))
    answer = await ask(providers, upstream, way, wire, NAME, model)
    assert TextDelta("Hello") in answer
    assert upstream.exchanges(model) != []
    assert look_ups == [FIRST]


@pytest.mark.parametrize(("way", "wire"), WAYS)
async def test_a_redirection_leads_to_no_private_address(
    providers: Providers, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, way: str, wire: Wire
) -> None:
    monkeypatch.setattr(guard, "is_public", lambda address: address == ip_address(FIRST))
    reached = asyncio.Event()
    listener = await asyncio.start_server(lambda *_: reached.set(), LATER)
    elsewhere = f"http://{LATER}:{listener.sockets[0].getsockname()[1]}/"
    try:
        model = upstream.serve(Reply([b"moved"], status=307, headers={"Location": elsewhere}))
        with pytest.raises(ProviderFailed):
            await ask(providers, upstream, way, wire, FIRST, model)
        assert upstream.exchanges(model) != []
        assert not reached.is_set()
    finally:
        listener.close()
        await listener.wait_closed()


@pytest.mark.parametrize(("way", "wire"), WAYS)
async def test_no_proxy_is_asked_to_go_where_we_may_not(
    providers: Providers, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, way: str, wire: Wire
) -> None:
    """It would look names up by itself, and stands where other addresses are private than from here."""
    monkeypatch.setattr(guard, "is_public", lambda address: address == ip_address(FIRST))
    asked, new_clients = asyncio.Event(), dict[str, Any]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    proxy = await asyncio.start_server(answer, FIRST)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{FIRST}:{proxy.sockets[0].getsockname()[1]}")
    if "litellm" in sys.modules:  # the clients that there are took note of the environment of then
        monkeypatch.setattr(sys.modules["litellm"].in_memory_llm_clients_cache, "cache_dict", new_clients)
    try:
        model = upstream.serve(wire.reply(SAID))
        with pytest.raises(ProviderFailed, match="not public"):
            await ask(providers, upstream, way, wire, LATER, model)
        assert not asked.is_set()
    finally:
        for client in new_clients.values():
            await client.close()
        proxy.close()
        await proxy.wait_closed()


@pytest.mark.parametrize("way", ["openai_compatible:mine", "litellm/mistral", "litellm/together_ai"])
async def test_a_name_with_a_public_and_a_private_address_leads_nowhere(
    providers: Providers, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    look_up = socket.getaddrinfo

    def both(host: Any, *arguments: Any, **options: Any) -> Any:
        hosts = (LATER, FIRST) if host in (TWOFOLD, TWOFOLD.encode()) else (host,)
        return [info for each in hosts for info in look_up(each, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    monkeypatch.setattr(guard, "is_public", lambda address: address == ip_address(LATER))
    model = upstream.serve(OPENAI.reply(SAID))
    with pytest.raises(ProviderFailed):
        await ask(providers, upstream, way, OPENAI, TWOFOLD, model)
    assert upstream.exchanges(model) == []


async def test_the_operators_own_endpoint_may_be_anywhere(upstream: Upstream) -> None:
    providers = Providers(Settings.model_validate({**SETTINGS, "openai_compatible_base_url": upstream.base_url}))
    provider, model = providers.resolve(f"openai_compatible/{upstream.serve(OPENAI.reply(SAID))}")
    try:
        request = ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")])
        assert [event async for event in said_by(provider, request)] == SAID
    finally:
        await providers.aclose()

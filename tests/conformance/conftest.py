from collections.abc import AsyncIterator

import pytest

from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from providers import local
from providers.anthropic import AnthropicProvider
from providers.connections import Connections
from providers.credentials import Credential
from providers.litellm import LiteLLM, LiteLLMProvider
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelProvider, ModelRequest
from tests.answers import said_by
from tests.conformance.subjects import (
    IDLE_TIMEOUT_S,
    LocalSubject,
    ScriptableSubject,
    ScriptedSubject,
    Subject,
    ThroughLiteLLM,
    WireSubject,
)
from tests.upstream.certificates import Certificate, make_certificate
from tests.upstream.server import Upstream, run_upstream
from tests.upstream.wires import ANTHROPIC, OPENAI, WIRES, Wire

# Our own adapters by the wire that they speak.
OWN = {"openai_compatible": OPENAI, "anthropic": ANTHROPIC}
ON_WIRES = [*OWN, *(f"litellm-{family}" for family in WIRES)]
SCRIPTABLE = ["scripted", *ON_WIRES]
LOCAL = pytest.param(
    "local", marks=pytest.mark.skipif(not local.is_installed(), reason="the extra `local` is not installed")
)


@pytest.fixture(scope="session")
async def local_subject() -> AsyncIterator[LocalSubject]:
    """One child process for the whole session, as loading the model takes a second; it starts when it is used."""
    subject = LocalSubject()
    yield subject
    await subject.provider.aclose()


@pytest.fixture(scope="session")
async def litellm(upstream: Upstream) -> AsyncIterator[LiteLLM]:
    """litellm with all that it loads along with its first calls, which takes longer than the tests may wait."""
    connections = Connections()
    loaded = LiteLLM(connections)
    for wire in WIRES.values():
        adapter = through(loaded, wire, upstream, idle_timeout_s=60)
        said: list[ModelEvent] = [TextDelta("Hello"), ModelFinished(FinishReason.STOP, TokenUsage(3, 1))]
        model = upstream.serve(wire.reply(said))
        assert [
            event async for event in said_by(adapter, ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")]))
        ] == said
    yield loaded
    await connections.aclose()


def through(litellm: LiteLLM, wire: Wire, upstream: Upstream, idle_timeout_s: float) -> ModelProvider:
    credential = Credential("sk-test", f"{upstream.origin}{wire.path}")
    return ThroughLiteLLM(LiteLLMProvider(litellm, credential, idle_timeout_s=idle_timeout_s), wire.family)


def own_adapter(
    wire: Wire, upstream: Upstream, idle_timeout_s: float, connections: Connections | None = None
) -> ModelProvider:
    adapter = AnthropicProvider if wire is ANTHROPIC else OpenAICompatibleProvider
    return adapter(f"{upstream.origin}{wire.path}", "sk-test", idle_timeout_s=idle_timeout_s, connections=connections)


# What is made is made without the loop: only so can a fixture ask for another one, here litellm, when it needs it.
@pytest.fixture(params=SCRIPTABLE)
def made_scriptable(request: pytest.FixtureRequest, upstream: Upstream) -> ScriptableSubject:
    return _scriptable(request, upstream)


@pytest.fixture(params=[*SCRIPTABLE, LOCAL])
def made(request: pytest.FixtureRequest, upstream: Upstream) -> Subject:
    if request.param == "local":
        subject: LocalSubject = request.getfixturevalue("local_subject")
        return subject
    return _scriptable(request, upstream)


@pytest.fixture
async def scriptable(made_scriptable: ScriptableSubject) -> AsyncIterator[ScriptableSubject]:
    """Every adapter whose provider can be told what to do."""
    yield made_scriptable
    await made_scriptable.provider.aclose()


@pytest.fixture(params=ON_WIRES)
def made_on_wire(request: pytest.FixtureRequest, upstream: Upstream) -> ScriptableSubject:
    return _scriptable(request, upstream)


@pytest.fixture
async def on_wire(made_on_wire: ScriptableSubject) -> AsyncIterator[WireSubject]:
    """Every adapter that speaks to the fake upstream."""
    assert isinstance(made_on_wire, WireSubject)
    yield made_on_wire
    await made_on_wire.provider.aclose()


@pytest.fixture(scope="session")
async def secure_upstream(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Upstream, Certificate]]:
    """One that speaks TLS, and what it shows."""
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    async with run_upstream(certificate.server_context()) as running:
        yield running, certificate


@pytest.fixture(params=[*OWN, "litellm-anthropic"])
def made_over_tls(
    request: pytest.FixtureRequest, secure_upstream: tuple[Upstream, Certificate], monkeypatch: pytest.MonkeyPatch
) -> tuple[WireSubject, Connections]:
    upstream, certificate = secure_upstream
    # Whom aiohttp trusts, and whom litellm does.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", certificate.client_context())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    connections = Connections()
    if (own := OWN.get(request.param)) is not None:
        return WireSubject(own, upstream, own_adapter(own, upstream, 5, connections)), connections
    request.getfixturevalue("litellm")
    wire = WIRES["anthropic"]
    return WireSubject(wire, upstream, through(LiteLLM(connections), wire, upstream, idle_timeout_s=5)), connections


@pytest.fixture
async def secure(made_over_tls: tuple[WireSubject, Connections]) -> AsyncIterator[WireSubject]:
    """The adapters that call through our own session, over TLS."""
    subject, connections = made_over_tls
    yield subject
    await connections.aclose()


@pytest.fixture
async def subject(made: Subject) -> AsyncIterator[Subject]:
    """Every adapter."""
    yield made
    if not isinstance(made, LocalSubject):
        await made.provider.aclose()


def _scriptable(request: pytest.FixtureRequest, upstream: Upstream) -> ScriptableSubject:
    if request.param == "scripted":
        return ScriptedSubject()
    if (own := OWN.get(request.param)) is not None:
        return WireSubject(own, upstream, own_adapter(own, upstream, IDLE_TIMEOUT_S))
    wire = WIRES[request.param.removeprefix("litellm-")]
    litellm: LiteLLM = request.getfixturevalue("litellm")
    return WireSubject(wire, upstream, through(litellm, wire, upstream, IDLE_TIMEOUT_S))

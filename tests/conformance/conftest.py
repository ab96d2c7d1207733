from collections.abc import AsyncIterator

import pytest

from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from providers import local
from providers.connections import Connections
from providers.credentials import Credential
from providers.litellm import LiteLLM, LiteLLMProvider
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.conformance.subjects import (
    IDLE_TIMEOUT_S,
    LocalSubject,
    ScriptableSubject,
    ScriptedSubject,
    Subject,
    WireSubject,
)
from tests.upstream.fixtures import upstream as upstream
from tests.upstream.server import Upstream
from tests.upstream.wires import OPENAI, WIRES, Wire

SCRIPTABLE = ["scripted", "openai_compatible", *(f"litellm-{family}" for family in WIRES)]
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
        adapter = LiteLLMProvider(loaded, wire.family, credential_for(wire, upstream), idle_timeout_s=60)
        said: list[ModelEvent] = [TextDelta("Hello"), ModelFinished(FinishReason.STOP, TokenUsage(3, 1))]
        model = upstream.serve(wire.reply(said))
        assert [
            event async for event in adapter.stream(ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")]))
        ] == said
    yield loaded
    await connections.aclose()


def credential_for(wire: Wire, upstream: Upstream) -> Credential:
    return Credential("sk-test", f"{upstream.origin}{wire.path}")


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


@pytest.fixture
async def subject(made: Subject) -> AsyncIterator[Subject]:
    """Every adapter."""
    yield made
    if not isinstance(made, LocalSubject):
        await made.provider.aclose()


def _scriptable(request: pytest.FixtureRequest, upstream: Upstream) -> ScriptableSubject:
    if request.param == "scripted":
        return ScriptedSubject()
    if request.param == "openai_compatible":
        provider = OpenAICompatibleProvider(upstream.base_url, "sk-test", idle_timeout_s=IDLE_TIMEOUT_S)
        return WireSubject(OPENAI, upstream, provider)
    wire = WIRES[request.param.removeprefix("litellm-")]
    litellm: LiteLLM = request.getfixturevalue("litellm")
    adapter = LiteLLMProvider(litellm, wire.family, credential_for(wire, upstream), idle_timeout_s=IDLE_TIMEOUT_S)
    return WireSubject(wire, upstream, adapter)

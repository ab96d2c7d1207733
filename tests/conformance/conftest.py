from collections.abc import AsyncIterator

import pytest

from providers import local
from tests.conformance.subjects import (
    LocalSubject,
    OpenAICompatibleSubject,
    ScriptableSubject,
    ScriptedSubject,
    Subject,
)
from tests.upstream.fixtures import upstream as upstream
from tests.upstream.server import Upstream

LOCAL = pytest.param(
    "local", marks=pytest.mark.skipif(not local.is_installed(), reason="the extra `local` is not installed")
)


@pytest.fixture(scope="session")
async def local_subject() -> AsyncIterator[LocalSubject]:
    """One child process for the whole session, as loading the model takes a second; it starts when it is used."""
    subject = LocalSubject()
    yield subject
    await subject.provider.aclose()


@pytest.fixture(params=["scripted", "openai_compatible"])
async def scriptable(request: pytest.FixtureRequest, upstream: Upstream) -> AsyncIterator[ScriptableSubject]:
    """Every adapter whose provider can be told what to do."""
    made = ScriptedSubject() if request.param == "scripted" else OpenAICompatibleSubject(upstream)
    yield made
    await made.provider.aclose()


@pytest.fixture(params=["scripted", "openai_compatible", LOCAL])
async def subject(
    request: pytest.FixtureRequest, upstream: Upstream, local_subject: LocalSubject
) -> AsyncIterator[Subject]:
    """Every adapter."""
    if request.param == "local":
        yield local_subject
        return
    made = ScriptedSubject() if request.param == "scripted" else OpenAICompatibleSubject(upstream)
    yield made
    await made.provider.aclose()

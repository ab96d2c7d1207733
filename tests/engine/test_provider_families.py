"""Whole runs over each provider's own wire format: troubles, cancelling, and what the books say of them to the cent."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from core.envelopes import Envelopes
from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage
from core.permissions import Role
from models.runs import RunStatus
from providers.catalogue import ProviderName
from providers.model_facts import FACTS_FILE
from services import cancellations, provider_credentials
from services.provider_credentials import NewCredential
from streaming.bus import Bus
from tests.engine.lab import Lab, executing
from tests.servers.app import SECRET_KEYS
from tests.services.tenants import make_member, make_workspace
from tests.upstream.replies import Signal
from tests.upstream.server import Upstream
from tests.upstream.wires import ANTHROPIC, GOOGLE_COMPATIBLE, MISTRAL, OPENAI, XAI, Wire

FAMILIES = {
    ProviderName.OPENAI: OPENAI,
    ProviderName.ANTHROPIC: ANTHROPIC,
    ProviderName.GOOGLE: GOOGLE_COMPATIBLE,
    ProviderName.MISTRAL: MISTRAL,
    ProviderName.XAI: XAI,
    ProviderName.OLLAMA: OPENAI,
}
FACTS: dict[str, dict[str, Any]] = json.loads(FACTS_FILE.read_bytes())
USAGE = TokenUsage(input_tokens=1_234, output_tokens=567, cached_tokens=89)

family = pytest.mark.parametrize("provider", FAMILIES)


def some_model(provider: ProviderName) -> str:
    """The first of the provider's models that has a price for cached tokens, if any has."""
    names = [name for name in FACTS if name.startswith(f"{provider.value.lower()}/")]
    return next((name for name in names if "cached_usd" in FACTS[name]), names[0])


def price_of(name: str, usage: TokenUsage) -> Decimal:
    """By the file alone: dollars per million tokens."""
    facts = FACTS[name]
    fresh = usage.input_tokens - usage.cached_tokens
    asked = fresh * Decimal(facts.get("input_usd", "0"))
    cached = usage.cached_tokens * Decimal(facts.get("cached_usd", facts.get("input_usd", "0")))
    return (asked + cached + usage.output_tokens * Decimal(facts.get("output_usd", "0"))) / 1_000_000


@pytest.fixture
async def lab(pool: None, bus: Bus) -> Lab:
    return Lab(await make_member(await make_workspace(), Role.OWNER), bus)


async def set_credential(lab: Lab, upstream: Upstream, provider: ProviderName, wire: Wire) -> None:
    new = NewCredential(lab.workspace_id, provider, "default", "sk-test", f"{upstream.origin}{wire.path}")
    envelopes = Envelopes.parse(SECRET_KEYS)
    await provider_credentials.set_credential(lab.principal, envelopes, new, allow_private_addresses=True)


@family
async def test_troubles_are_overcome_and_every_attempt_costs_what_the_prices_say(
    url: str, lab: Lab, upstream: Upstream, provider: ProviderName
) -> None:
    wire, name = FAMILIES[provider], some_model(provider)
    await set_credential(lab, upstream, provider, wire)
    said: list[ModelEvent] = [
        ReasoningDelta("Hm."),
        TextDelta("All "),
        TextDelta("is well."),
        ModelFinished(FinishReason.STOP, USAGE),
    ]
    upstream.serve(
        wire.failure(429, "Slow down.", retry_after="0"),
        wire.reply([TextDelta("Half "), TextDelta("a word")]).then(Signal.CUT),
        wire.reply(said),
        model=name.partition("/")[2],
    )
    async with executing(url, lab.bus, {}):
        ending = (await lab.ending(await lab.start(await lab.agent(name)))).check()
    assert (ending.run.status, ending.run.output_text) == (RunStatus.SUCCEEDED, "All is well.")
    assert ending.types.count("RunRewound") == 1
    refused, cut, answered = ending.calls
    assert [call.status for call in ending.calls] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert "Slow down." in (refused.failure_message or "")
    assert refused.cost_usd == 0
    assert (cut.input_tokens, cut.output_tokens) == (2, 2)
    assert cut.cost_usd == price_of(name, TokenUsage(2, 2))
    assert (answered.input_tokens, answered.output_tokens, answered.cached_tokens) == (1_234, 567, 89)
    assert answered.cost_usd == price_of(name, USAGE)
    if provider is not ProviderName.OLLAMA:
        assert 0 < cut.cost_usd < answered.cost_usd


@family
async def test_a_cancelled_call_is_counted_and_paid_for_so_far(
    url: str, lab: Lab, upstream: Upstream, provider: ProviderName
) -> None:
    wire, name = FAMILIES[provider], some_model(provider)
    await set_credential(lab, upstream, provider, wire)
    model = name.partition("/")[2]
    upstream.serve(wire.reply([TextDelta("word ")] * 2_000).pausing(0.01), model=model)
    before = len(upstream.exchanges(model))
    async with executing(url, lab.bus, {}):
        run = await lab.start(await lab.agent(name))
        await lab.until_it_speaks(run)
        exchange = await upstream.exchange(model, before + 1)
        cancelled = await cancellations.cancel(lab.principal, lab.bus, run.id)
        await asyncio.wait_for(exchange.closed.wait(), 5)
        ending = (await lab.ending(run)).check()
    assert cancelled.status is RunStatus.CANCELLED
    [call] = ending.calls
    words = len(ending.messages[1].text.split())
    assert ending.messages[1].partial
    assert 0 < words <= exchange.writes
    assert (call.status, call.input_tokens, call.output_tokens) == ("CANCELLED", 2, words)
    assert call.cost_usd == price_of(name, TokenUsage(2, words))
    assert call.provider_closed_at is not None

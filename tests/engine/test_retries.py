"""Retries: when a model is asked again, what its readers see of it, and what the books say."""

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from core.errors import ErrorCode, ProviderFailed
from core.events import RunRewound
from engine.retries import LONGEST_WAIT_S, RetryPolicy
from models.runs import RunStatus
from services import cancellations
from tests.engine.lab import Ending, Lab, executing, until
from tests.engine.worker import working
from tests.servers.redis import RedisServer
from tests.upstream.replies import Reply, Signal, Usage, failure, text
from tests.upstream.server import Upstream

GOOD = text("All ", "is ", "well.", usage=Usage(9, 3))
CUT = text("Half ", "a ", "word").then(Signal.CUT, after=2)
BUSY = failure(503, "Busy.")


async def ending_of(url: str, lab: Lab, upstream: Upstream, *models: str, **overrides: Any) -> Ending:
    names = [f"openai_compatible/{model}" for model in models]
    async with executing(url, lab.bus, {}, openai_compatible_base_url=upstream.base_url, **overrides):
        run = await lab.start(await lab.agent(names[0], fallback_models=names[1:]))
        return (await lab.ending(run)).check()


def rewinds(ending: Ending) -> list[tuple[int, int]]:
    """Where each led back to, and the attempt that began then."""
    bodies = [event.body for event in ending.events]
    return [(body.to_seq, body.attempt) for body in bodies if isinstance(body, RunRewound)]


PASSING = {
    "rate-limit": failure(429, "Slow down.", retry_after="0"),
    "date": failure(429, "Slow down.", retry_after=format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)),
    "time-out": failure(408, "Too slow."),
    "conflict": failure(409, "Locked."),
    "too-early": failure(425, "Not yet."),
    "error": failure(500, "Oops."),
    "gateway": Reply([b"<html><h1>Bad gateway</h1></html>"], 502, content_type="text/html"),
    "overloaded": failure(529, "Overloaded."),
    "refused-under-200": failure(200, "Overloaded."),
    "hung-up": Reply([Signal.CUT]),
    "empty": Reply([b""]),
    "malformed": Reply([b'data: {"choices": [{"delta"\n\n']),
    "no-chunk": Reply([b"data: 5\n\n"]),
    "silent": Reply([Signal.HANG]),
    "silent-after-headers": Reply([b"", Signal.HANG]),
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING)
async def test_passing_trouble_before_the_first_token_is_seen_by_nobody(
    url: str, lab: Lab, upstream: Upstream, trouble: Reply
) -> None:
    model = upstream.serve(trouble, GOOD)
    ending = await ending_of(url, lab, upstream, model, provider_idle_timeout_s=0.3)
    assert (ending.run.status, ending.run.output_text) == (RunStatus.SUCCEEDED, "All is well.")
    assert ending.types == ["RunStarted", "StepStarted", "TextDelta", "StepFinished", "RunFinished"]
    assert ending.steps[0].attempt == 1
    first, second = ending.calls
    assert (first.status, second.status) == ("FAILED", "SUCCEEDED")
    assert first.failure_message
    assert first.duration_ms is not None
    assert first.provider_closed_at is not None
    assert (first.input_tokens, first.output_tokens) == (0, 0)
    assert first.cost_usd == 0
    assert (second.input_tokens, second.output_tokens) == (9, 3)
    assert first.started_at < second.started_at


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_is_wrong_with_the_request_is_not_tried_again(
    url: str, lab: Lab, upstream: Upstream, status: int
) -> None:
    model = upstream.serve(failure(status, "No.", kind="invalid_request_error"), GOOD)
    ending = await ending_of(url, lab, upstream, model)
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, False)
    assert len(upstream.exchanges(model)) == len(ending.calls) == 1


BROKEN = {
    "cut": CUT,
    "silent": CUT.then(Signal.HANG, after=2),
    "malformed": CUT.then(b"data: {\n\n", after=2),
    "error": CUT.then(failure(200, "Oops.").body.join([b"data: ", b"\n\n"]), after=2),
    "no-end": CUT.then(after=2),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_an_answer_that_broke_off_said_is_withdrawn_when_the_next_one_begins(
    url: str, lab: Lab, upstream: Upstream, broken: Reply
) -> None:
    ending = await ending_of(url, lab, upstream, upstream.serve(broken, GOOD), provider_idle_timeout_s=0.3)
    assert (ending.run.status, ending.run.output_text) == (RunStatus.SUCCEEDED, "All is well.")
    types = ["RunStarted", "StepStarted", "TextDelta", "RunRewound", "TextDelta", "StepFinished", "RunFinished"]
    assert ending.types == types
    assert rewinds(ending) == [(2, 2)]
    assert ending.steps[0].attempt == 2
    assert [(message.text, message.partial) for message in ending.messages[1:]] == [("All is well.", False)]
    # Nobody told what the broken one cost, so it is counted: the question's two tokens, and two deltas.
    assert [(call.status, call.input_tokens, call.output_tokens) for call in ending.calls] == [
        ("FAILED", 2, 2),
        ("SUCCEEDED", 9, 3),
    ]


async def test_a_provider_that_always_breaks_off_fails_the_run_with_what_it_said_last(
    url: str, lab: Lab, upstream: Upstream
) -> None:
    second = upstream.serve(GOOD)
    model = upstream.serve(CUT, CUT, text("The last").then(Signal.CUT, after=1))
    ending = await ending_of(url, lab, upstream, model, second)
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, True)
    assert rewinds(ending) == [(2, 2), (2, 3)]
    assert [(message.text, message.partial) for message in ending.messages[1:]] == [("The last", True)]
    assert len(ending.calls) == 3
    assert upstream.exchanges(second) == []


async def test_fallbacks_come_after_the_retries_and_withdraw_what_was_said_too(
    url: str, lab: Lab, upstream: Upstream
) -> None:
    first, second = upstream.serve(CUT, BUSY, BUSY), upstream.serve(BUSY, GOOD)
    ending = await ending_of(url, lab, upstream, first, second)
    assert ending.run.output_text == "All is well."
    assert ending.steps[0].name == f"openai_compatible/{second}"
    assert [call.model.rpartition("/")[2] for call in ending.calls] == [first] * 3 + [second] * 2
    assert rewinds(ending) == [(2, 2)]


async def test_without_retries_there_are_none(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(CUT, GOOD)
    ending = await ending_of(url, lab, upstream, model, provider_retries=0)
    assert ending.run.status is RunStatus.FAILED
    assert len(upstream.exchanges(model)) == 1
    assert [(message.text, message.partial) for message in ending.messages[1:]] == [("Half a ", True)]


async def test_the_wait_that_a_provider_asks_for_is_kept(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(failure(429, "Slow down.", retry_after="0.4"), GOOD)
    ending = await ending_of(url, lab, upstream, model)
    assert ending.run.status is RunStatus.SUCCEEDED
    first, second = upstream.exchanges(model)
    assert second.received_at - first.received_at >= 0.4


async def test_who_asks_to_wait_for_too_long_is_not_waited_for_and_the_failure_says_until_when(
    url: str, lab: Lab, upstream: Upstream
) -> None:
    model = upstream.serve(failure(429, "Come back tomorrow.", retry_after=str(LONGEST_WAIT_S + 3600)))
    ending = await ending_of(url, lab, upstream, model)
    assert len(upstream.exchanges(model)) == 1
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, True)
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert "Come back tomorrow. It asks not to be called again before 20" in (ending.run.failure_message or "")
    assert any(f"{at:%Y-%m-%dT%H:%M}" in (ending.run.failure_message or "") for at in minutes_around(in_an_hour))


def minutes_around(at: datetime) -> Iterator[datetime]:
    for minutes in range(-2, 3):
        yield at + timedelta(minutes=minutes)


async def test_a_provider_that_says_a_little_for_ever_times_out(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(Reply([b": wait\n\n", 0.05] * 400))
    ending = await ending_of(url, lab, upstream, model, upstream.serve(GOOD), model_call_timeout_s=0.6)
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.TIMED_OUT, True)
    assert len(ending.calls) == 1
    await asyncio.wait_for((await upstream.exchange(model)).closed.wait(), 5)


async def test_cancelling_ends_the_wait_for_the_next_try_at_once_and_keeps_what_was_said(
    url: str, lab: Lab, upstream: Upstream
) -> None:
    model = upstream.serve(CUT, GOOD)
    base_url = upstream.base_url
    async with executing(url, lab.bus, {}, openai_compatible_base_url=base_url, provider_retry_pause_s=10_000.0):
        run = await lab.start(await lab.agent(f"openai_compatible/{model}"))

        async def has_failed() -> bool:
            return [call.status for call in await lab.calls(run)] == ["FAILED"]

        await until(has_failed)
        cancelled = await cancellations.cancel(lab.principal, lab.bus, run.id)
        ending = (await lab.ending(run)).check()
    assert cancelled.status is RunStatus.CANCELLED
    # Its executor answered: otherwise the run would have been taken away.
    assert ending.run.epoch == 1
    assert [call.status for call in ending.calls] == ["FAILED"]
    assert [(message.text, message.partial) for message in ending.messages[1:]] == [("Half a ", True)]
    assert len(upstream.exchanges(model)) == 1


async def test_a_worker_that_dies_while_it_waits_loses_nothing(
    url: str, lab: Lab, upstream: Upstream, redis_server: RedisServer
) -> None:
    model = upstream.serve(failure(429, "Slow down.", retry_after="20"), GOOD)
    async with working(url, redis_server.url, OPENAI_COMPATIBLE_BASE_URL=upstream.base_url) as doomed:
        run = await lab.start(await lab.agent(f"openai_compatible/{model}"))

        async def has_failed() -> bool:
            return [call.status for call in await lab.calls(run)] == ["FAILED"]

        await until(has_failed)
        doomed.send_signal(signal.SIGKILL)
        await doomed.wait()
        async with executing(url, lab.bus, {}, openai_compatible_base_url=upstream.base_url):
            ending = (await lab.ending(run)).check()
    assert ending.run.output_text == "All is well."
    assert [(call.status, call.failure_message or "") for call in ending.calls][1:] == [("SUCCEEDED", "")]
    assert "Slow down." in (ending.calls[0].failure_message or "")


class TestPolicy:
    policy = RetryPolicy(most_retries=3, first_pause_s=1.0)
    busy = ProviderFailed("Busy.", retryable=True)

    def pauses(self, failure: ProviderFailed, retries: int) -> list[float]:
        paused = [self.policy.pause_s(failure, retries, left_s=1e9) for _ in range(400)]
        return [pause for pause in paused if pause is not None]

    def test_pauses_double_and_are_random_from_nothing_on(self) -> None:
        for retries, most_s in enumerate([1.0, 2.0, 4.0]):
            pauses = self.pauses(self.busy, retries)
            assert len(pauses) == 400
            assert 0 <= min(pauses) < most_s / 4
            assert most_s * 3 / 4 < max(pauses) <= most_s

    def test_they_end(self) -> None:
        assert self.pauses(self.busy, 3) == []
        assert self.pauses(ProviderFailed("Wrong.", retryable=False), 0) == []

    def test_a_provider_is_believed_and_not_stormed(self) -> None:
        pauses = self.pauses(ProviderFailed("Busy.", retryable=True, retry_after_s=20), 0)
        assert 20 <= min(pauses) < 20.25
        assert len({round(pause, 3) for pause in pauses}) > 100
        assert self.pauses(ProviderFailed("Busy.", retryable=True, retry_after_s=LONGEST_WAIT_S + 1), 0) == []

    def test_they_fit_into_the_time_that_is_left(self) -> None:
        patient = replace(self.policy, first_pause_s=0.0)
        assert patient.pause_s(self.busy, 0, left_s=0.1) == 0
        assert patient.pause_s(self.busy, 0, left_s=0.0) is None

    def test_no_pause_grows_without_end(self) -> None:
        stubborn = RetryPolicy(most_retries=1000, first_pause_s=1.0)
        pauses = [stubborn.pause_s(self.busy, retries, left_s=1e9) for retries in range(0, 1000, 50)]
        assert all(pause is not None and pause <= LONGEST_WAIT_S for pause in pauses)

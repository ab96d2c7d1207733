"""The leaky buckets of callers, in one process and over Redis, whatever Redis does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.errors import StartupRefused
from streaming import buckets
from streaming.buckets import Buckets, LocalBuckets, Rate, RedisBuckets, buckets_from_url
from tests.servers.redis import RedisServer
from tests.streaming.waiting import PATIENCE_S

# So slow that nothing runs out while a test looks, on however busy a machine.
SLOW = Rate(capacity=100, leak=1)
HOUR_S = 3600.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For Redis on a busy machine."""
    monkeypatch.setattr(buckets, "ANSWER_TIMEOUT_S", PATIENCE_S)


@pytest.fixture(params=["local", "redis"])
async def filled(request: pytest.FixtureRequest, redis_server: RedisServer, patient: None) -> AsyncIterator[Buckets]:
    found = buckets_from_url(redis_server.url if request.param == "redis" else None)
    yield found
    await found.aclose()


async def test_a_bucket_takes_what_it_holds_and_no_more(filled: Buckets) -> None:
    rate = Rate(capacity=100, leak=1)
    name = f"full {id(filled)}"
    first = await filled.take(name, 60, rate)
    assert (first.wait_s, first.remaining) == (0, 40)
    refused = await filled.take(name, 60, rate)
    assert 0 < refused.wait_s <= 20
    assert 40 <= refused.remaining < 60, "what was refused takes no room"
    assert (await filled.take(name, 40, rate)).wait_s == 0
    assert (await filled.take("another's", 100, rate)).wait_s == 0


@given(now=st.floats(0, 1e7), amount=st.integers(1, 1000), leak=st.integers(1, 20_000))
async def test_what_is_left_of_an_empty_bucket_is_exact_at_any_time(now: float, amount: int, leak: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "monotonic", lambda: now)
        taken = await LocalBuckets().take("new", amount, Rate(1000, leak))
    assert taken.remaining == 1000 - amount


async def test_what_is_left_is_exact_over_redis_too(redis_server: RedisServer, patient: None) -> None:
    process = RedisBuckets(redis_server.url)
    try:
        for number in range(200):
            name = f"exact {number} {id(process)}"
            assert (await process.take(name, number, Rate(200_000, 20_000))).remaining == 200_000 - number
    finally:
        await process.aclose()


async def test_what_is_taken_is_missing_however_quickly_a_bucket_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "monotonic", lambda: 1000.0)
    taken = await LocalBuckets().take("quick", 200, Rate(10**9, 10**9))
    assert 10**9 - 202 <= taken.remaining <= 10**9 - 198


async def test_a_bucket_runs_out_with_time(filled: Buckets) -> None:
    rate = Rate(capacity=10, leak=1000)
    name = f"quick {id(filled)}"
    for _ in range(20):
        taken = await filled.take(name, 10, rate)
        await asyncio.sleep(taken.wait_s + 0.001 if taken.wait_s else 0)
        assert taken.wait_s <= 0.01
    await asyncio.sleep(0.02)
    assert (await filled.take(name, 10, rate)).wait_s == 0


async def test_processes_share_them_and_no_two_take_the_same_room(redis_server: RedisServer, patient: None) -> None:
    async with AsyncExitStack() as stack:
        processes = [RedisBuckets(redis_server.url) for _ in range(3)]
        for process in processes:
            stack.push_async_callback(process.aclose)
        rate = Rate(capacity=10, leak=1)
        takes = [process.take("shared", 1, Rate(10, 1)) for process in processes for _ in range(20)]
        began = monotonic()
        taken = [one for one in await asyncio.gather(*takes) if not one.wait_s]
        assert 10 <= len(taken) <= 10 + rate.leak * (monotonic() - began) + 1
        assert not any(process._is_away for process in processes)


async def test_nothing_is_kept_of_a_bucket_that_has_run_out(redis_server: RedisServer, patient: None) -> None:
    process = RedisBuckets(redis_server.url)
    try:
        await process.take("brief", 1, Rate(10, 10))
        keys = [key async for key in process._redis.scan_iter("synapse:bucket:brief")]
        assert keys == [b"synapse:bucket:brief"]
        assert 0 < await process._redis.pttl(keys[0]) <= 1100
    finally:
        await process.aclose()


@pytest.mark.parametrize("failure", ["gone", "frozen"])
async def test_while_redis_is_away_each_process_goes_by_its_own(
    fragile_redis: RedisServer, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "PAUSE_S", 0.1)
    monkeypatch.setattr(buckets, "ANSWER_TIMEOUT_S", PATIENCE_S)
    process = RedisBuckets(fragile_redis.url)
    try:
        assert (await process.take("one", 100, SLOW)).remaining == 0
        monkeypatch.setattr(buckets, "ANSWER_TIMEOUT_S", 0.5)
        fragile_redis.kill() if failure == "gone" else fragile_redis.freeze()
        with capture_logs() as logs:
            async with asyncio.timeout(PATIENCE_S):
                taken = [await process.take("one", 60, SLOW) for _ in range(50)]
        assert [one.wait_s == 0 for one in taken] == [True] + [False] * 49
        assert [line["event"] for line in logs] == ["Redis keeps no limits; this process goes by its own"]
        if failure == "frozen":
            fragile_redis.thaw()
            async with asyncio.timeout(PATIENCE_S):
                while (await process.take("one", 60, SLOW)).remaining > 30:  # noqa: ASYNC110  # Redis' own
                    await asyncio.sleep(0.05)
            assert not process._is_away, "the limits of all are back, with what was taken before"
    finally:
        await process.aclose()


async def test_a_redis_that_forgot_its_scripts_is_told_again(fragile_redis: RedisServer, patient: None) -> None:
    process = RedisBuckets(fragile_redis.url)
    try:
        await process.take("one", 10, SLOW)
        await process._redis.script_flush()
        assert (await process.take("one", 10, SLOW)).remaining == pytest.approx(80, abs=1)
    finally:
        await process.aclose()


async def test_a_process_keeps_a_bounded_number() -> None:
    local = LocalBuckets()
    for number in range(buckets.MOST_LOCAL + 100):
        await local.take(str(number), 1, Rate(1, 1))
    assert len(local._empty_at) == buckets.MOST_LOCAL


def test_a_malformed_address_is_refused() -> None:
    with pytest.raises(StartupRefused, match="REDIS_URL"):
        buckets_from_url("nonsense")

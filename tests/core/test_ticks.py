"""Waiting for the same moments."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.ticks import TICK_S, Ticks, nearest_tick, next_tick


@given(time_s=st.floats(0, 1e7))
def test_no_time_is_further_from_a_tick_than_half_the_way_to_the_next(time_s: float) -> None:
    tick = nearest_tick(time_s)
    assert abs(tick - time_s) <= TICK_S / 2 + 1e-6
    assert nearest_tick(tick) == tick
    assert nearest_tick(tick + TICK_S) == pytest.approx(tick + TICK_S)


@given(time_s=st.floats(0, 1e7))
def test_the_next_tick_is_not_before_and_less_than_one_away(time_s: float) -> None:
    assert 0 <= next_tick(time_s) - time_s + 1e-6 <= TICK_S + 2e-6


async def test_those_who_wait_for_the_same_tick_share_a_timer() -> None:
    ticks, now = Ticks(), asyncio.get_running_loop().time
    sooner, later = next_tick(now() + 0.1), next_tick(now() + 0.3)
    called: list[tuple[int, float]] = []
    done = asyncio.Event()
    for number in range(100):
        ticks.call_at(later, lambda at, number=number: called.append((number, at)))  # type: ignore[misc]
    ticks.call_at(sooner, lambda at: called.append((-1, at)))
    ticks.call_at(later, lambda _: done.set())
    assert len(ticks._waiting) == 2
    async with asyncio.timeout(10):
        await done.wait()
    assert called == [(-1, sooner), *((number, later) for number in range(100))]
    assert now() >= later - 0.002  # libuv's timers are that exact
    assert ticks._waiting == {}


async def test_one_that_fails_keeps_no_other_waiting() -> None:
    ticks, at = Ticks(), next_tick(asyncio.get_running_loop().time() + 0.01)
    done = asyncio.Event()
    ticks.call_at(at, lambda at: [][1])
    ticks.call_at(at, lambda _: done.set())
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            await done.wait()
    assert [line["log_level"] for line in logs] == ["error"]

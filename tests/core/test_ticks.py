"""Waiting for the same moments."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ticks import TICK_S, Ticks, nearest_tick


@given(time_s=st.floats(0, 1e7))
def test_no_time_is_further_from_a_tick_than_half_the_way_to_the_next(time_s: float) -> None:
    tick = nearest_tick(time_s)
    assert abs(tick - time_s) <= TICK_S / 2 + 1e-6
    assert nearest_tick(tick) == tick
    assert nearest_tick(tick + TICK_S) == pytest.approx(tick + TICK_S)


async def test_those_who_wait_for_the_same_tick_share_a_timer() -> None:
    ticks, loop = Ticks(), asyncio.get_running_loop()
    began, woken = loop.time(), []

    async def wait(about_s: float) -> None:
        await ticks.sleep(about_s)
        woken.append((about_s, loop.time() - began))

    waiting = [asyncio.create_task(wait(about_s)) for about_s in (0.1, *[0.3] * 100)]
    await asyncio.sleep(0)
    assert 2 <= len(ticks._waiting) <= 4
    waiting.pop().cancel()
    await asyncio.gather(*waiting)
    assert len(woken) == 100
    assert woken[0][0] == 0.1
    assert all(waited_s > about_s - TICK_S for about_s, waited_s in woken)
    assert ticks._waiting == {}

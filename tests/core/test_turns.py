"""Beginning one after the other."""

import asyncio
import math
import time
from collections import Counter
from itertools import pairwise

import pytest

from core import turns as turns_module
from core.turns import MOST_LOOKS, Turns, Urgency


@pytest.fixture
def punctual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop passes for one that keeps time, whatever else the machine does."""
    monkeypatch.setattr(turns_module, "LATE_S", math.inf)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop passes for one that is always late."""
    monkeypatch.setattr(turns_module, "LATE_S", -math.inf)


class Clock:
    """Counts the turns of the event loop, until it is stopped."""

    def __init__(self) -> None:
        self.turn = 0
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.turn += 1
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._handle.cancel()


@pytest.mark.usefixtures("punctual")
async def test_one_begins_in_each_turn_and_the_most_urgent_first() -> None:
    turns, clock = Turns(), Clock()
    began: list[tuple[Urgency, int, int]] = []

    async def begin(urgency: Urgency, number: int) -> None:
        await turns.take(urgency)
        began.append((urgency, number, clock.turn))

    order = [Urgency.BEGIN, Urgency.ASK, Urgency.FOLLOW] * 20
    await asyncio.gather(*(begin(urgency, number) for number, urgency in enumerate(order)))
    clock.stop()
    # But for the first, whom nobody was in the way of.
    assert [(urgency, number) for urgency, number, _ in began[1:]] == sorted(
        (urgency, number) for number, urgency in enumerate(order[1:], 1)
    )
    assert set(Counter(turn for *_, turn in began).values()) == {1}
    # They follow each other without a pause.
    assert began[-1][2] - began[1][2] == len(order) - 2


async def test_whoever_is_alone_does_not_wait() -> None:
    turns, clock = Turns(), Clock()
    for _ in range(3):
        before = clock.turn
        await turns.take(Urgency.ASK)
        assert clock.turn == before
        await asyncio.sleep(0.01)
    clock.stop()


@pytest.mark.usefixtures("late")
async def test_while_the_loop_is_late_they_begin_more_slowly_and_the_most_urgent_first() -> None:
    turns, looks = Turns(), 0
    began: list[tuple[Urgency, int]] = []
    look = turns._look

    def count(loop: asyncio.AbstractEventLoop, at: float) -> None:
        nonlocal looks
        looks += 1
        look(loop, at)

    async def begin(urgency: Urgency) -> None:
        await turns.take(urgency)
        began.append((urgency, looks))
        time.sleep(0.001)  # noqa: ASYNC251 - a loop that has nothing to do is not looked at

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "_look", count)
        order = [Urgency.BEGIN, Urgency.ASK, Urgency.FOLLOW] * 4
        async with asyncio.timeout(30):
            await asyncio.gather(*map(begin, order))
    assert [urgency for urgency, _ in began] == [order[0], *sorted(order[1:])]
    looked = [looked for _, looked in began if looked]
    assert len(looked) >= len(order) // 2
    assert {later - earlier for earlier, later in pairwise(looked[1:])} == {MOST_LOOKS}


@pytest.mark.usefixtures("late")
async def test_whoever_comes_when_nobody_waits_begins_at_once_though_the_loop_is_late() -> None:
    turns, clock = Turns(), Clock()
    await asyncio.gather(*(turns.take(Urgency.ASK) for _ in range(3)))
    await asyncio.sleep(0.1)
    before = clock.turn
    await turns.take(Urgency.ASK)
    assert clock.turn == before
    clock.stop()


async def test_whoever_gives_up_holds_up_nobody() -> None:
    turns = Turns()
    waiting = [asyncio.create_task(turns.take(Urgency.ASK)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting[1:-1]:
        task.cancel()
    async with asyncio.timeout(10):
        await waiting[-1]
        await turns.take(Urgency.BEGIN)
    assert all(task.cancelled() for task in waiting[1:-1])

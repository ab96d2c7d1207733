"""Beginning one after the other."""

import asyncio
from collections import Counter

from core.turns import Turns, Urgency


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

"""Who is told of queued runs, and how often."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from models.notifications import Notification, listen
from models.standing import Standing
from services.doorbell import Doorbell

Heard = asyncio.Queue[str]
PATIENCE_S = 10.0


@pytest.fixture
async def heard(database_url: str, pool: None) -> AsyncIterator[Heard]:
    """What those hear who listen for queued runs."""
    heard, standing = Heard(), Standing()

    def hear(_notification: Notification, payload: str) -> None:
        heard.put_nowait(payload)

    listening = asyncio.create_task(listen(database_url, [Notification.RUN_QUEUED], hear, standing))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await standing.wait()
        yield heard
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def next_of(heard: Heard) -> str:
    async with asyncio.timeout(PATIENCE_S):
        return await heard.get()


async def test_where_nobody_answers_others_are_told(heard: Heard) -> None:
    Doorbell().ring()
    assert await next_of(heard) == ""


@pytest.mark.parametrize("looks", [True, False])
async def test_the_executor_of_the_process_is_told_directly_and_others_by_its_name(heard: Heard, looks: bool) -> None:
    doorbell, rung = Doorbell(), 0

    def look() -> bool:
        nonlocal rung
        rung += 1
        return looks

    doorbell.answered_by("ada", look)
    doorbell.ring()
    assert rung == 1
    assert await next_of(heard) == "ada"


async def test_a_burst_is_told_of_in_a_few_words_and_what_comes_later_in_others(heard: Heard) -> None:
    doorbell = Doorbell()
    for _ in range(100):
        doorbell.ring()
    await next_of(heard)
    await asyncio.sleep(0.3)
    assert heard.qsize() < 20
    while not heard.empty():
        heard.get_nowait()
    doorbell.ring()
    assert await next_of(heard) == ""


async def test_who_cannot_be_told_is_told_of_the_next_one(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    doorbell, failed = Doorbell(), asyncio.Event()

    async def fail(*_: object) -> None:
        failed.set()
        raise ConnectionError

    with monkeypatch.context() as here:
        here.setattr("services.doorbell.notify_alone", fail)
        doorbell.ring()
        async with asyncio.timeout(PATIENCE_S):
            await failed.wait()
        await asyncio.sleep(0)
    doorbell.ring()
    assert await next_of(heard) == ""

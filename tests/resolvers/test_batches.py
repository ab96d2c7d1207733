"""Batched reads."""

import asyncio
from collections.abc import Sequence

import pytest

from resolvers.batches import Batch, Batches


class Squares:
    """Squares of whole numbers below 100; counts its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.called = asyncio.Event()

    async def fetch(self, keys: Sequence[int]) -> dict[int, int]:
        self.calls.append(list(keys))
        self.called.set()
        await asyncio.sleep(0)
        if -1 in keys:
            raise ValueError("negative")
        return {key: key * key for key in keys if key < 100}


async def test_what_is_asked_for_together_is_fetched_together_and_once() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    assert await asyncio.gather(*(batch.load(key) for key in (3, 1, 3, 100))) == [9, 1, 9, None]
    assert squares.calls == [[3, 1, 100]]


async def test_nothing_is_kept_for_later() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    assert (await batch.load(2), await batch.load(2)) == (4, 4)
    assert squares.calls == [[2], [2]]


async def test_what_is_asked_for_while_a_batch_is_fetched_goes_into_the_next() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    first = asyncio.create_task(batch.load(1))
    await squares.called.wait()
    assert await batch.load(2) == 4
    assert await first == 1
    assert squares.calls == [[1], [2]]


async def test_a_failure_reaches_every_reader_of_its_batch_and_no_other() -> None:
    batch = Batch(Squares().fetch)
    answers = await asyncio.gather(batch.load(-1), batch.load(2), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["negative", "negative"]
    assert await batch.load(2) == 4


async def test_a_reader_that_is_cancelled_takes_nothing_from_the_others() -> None:
    batch = Batch(Squares().fetch)
    gone, stays = asyncio.create_task(batch.load(5)), asyncio.create_task(batch.load(5))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 25
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_the_first_reader_leaves_the_others_what_it_collected_when_it_is_cancelled() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    gone, *stay = [asyncio.create_task(batch.load(key)) for key in (5, 6, 7)]
    await asyncio.sleep(0)
    gone.cancel()
    assert await asyncio.gather(*stay) == [36, 49]
    assert squares.calls == [[6, 7]]


async def test_nothing_is_fetched_for_readers_who_have_all_gone() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    readers = [asyncio.create_task(batch.load(key)) for key in (1, 2)]
    await asyncio.sleep(0)
    assert batch.is_gathering
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    await asyncio.sleep(0.01)
    assert not squares.calls
    assert await batch.load(3) == 9


async def test_whoever_is_alone_and_cancelled_leaves_room_for_the_next() -> None:
    squares = Squares()
    batch = Batch(squares.fetch)
    for turns in (1, 2):
        gone = asyncio.create_task(batch.load(5))
        for _ in range(turns):
            await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await batch.load(2) == 4


async def test_an_operations_batches_are_kept_while_they_are_needed_and_no_longer() -> None:
    squares, batches = Squares(), Batches()

    def ask(key: int) -> asyncio.Task[int | None]:
        return asyncio.create_task(batches.load("squares", squares.fetch, key))

    first = ask(1)
    await squares.called.wait()
    others = [ask(2), ask(3)]
    assert await first == 1
    others += [ask(4), ask(5)]
    assert await asyncio.gather(*others) == [4, 9, 16, 25]
    assert squares.calls[0] == [1]
    assert len(squares.calls) < 4
    assert not vars(batches)["_by_name"]

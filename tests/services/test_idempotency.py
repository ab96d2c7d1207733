"""Idempotency keys below the API."""

import asyncio
from uuid import UUID

import pytest

from core.errors import IdempotencyConflict
from core.ids import new_id
from models.database import fetch, transaction
from services.idempotency import claim

pytestmark = pytest.mark.usefixtures("pool")


async def use(scope_id: UUID, key: str | None, body: str, result_id: UUID) -> UUID | None:
    async with transaction([scope_id]) as connection:
        return await claim(
            connection, scope_id=scope_id, key=key, request={"mutation": "make", "body": body}, result_id=result_id
        )


async def test_a_second_use_is_told_of_the_first_ones_result() -> None:
    scope_id, first, second = new_id(), new_id(), new_id()
    assert await use(scope_id, "key", "a", first) is None
    assert await use(scope_id, "key", "a", second) == first
    with pytest.raises(IdempotencyConflict) as conflict:
        await use(scope_id, "key", "b", second)
    assert conflict.value.path == ("input", "idempotencyKey")


async def test_keys_of_different_scopes_have_nothing_to_do_with_each_other() -> None:
    assert await use(new_id(), "key", "a", new_id()) is None
    assert await use(new_id(), "key", "b", new_id()) is None


async def test_without_a_key_every_use_is_a_first_one() -> None:
    scope_id = new_id()
    assert [await use(scope_id, None, "a", new_id()) for _ in range(2)] == [None, None]


async def test_of_fifty_at_once_one_wins_and_the_others_learn_its_result() -> None:
    scope_id = new_id()
    results = [new_id() for _ in range(50)]
    answers = await asyncio.gather(*(use(scope_id, "key", "a", result) for result in results))
    [winner] = [result for result, answer in zip(results, answers, strict=True) if answer is None]
    assert {answer for answer in answers if answer is not None} == {winner}


async def test_a_use_that_is_rolled_back_leaves_the_key_free() -> None:
    scope_id, first, second = new_id(), new_id(), new_id()

    async def fail() -> None:
        async with transaction([scope_id]) as connection:
            await claim(connection, scope_id=scope_id, key="key", request={}, result_id=first)
            await asyncio.sleep(0.1)
            raise RuntimeError("rolled back")

    failing = asyncio.create_task(fail())
    await asyncio.sleep(0.05)
    assert await use(scope_id, "key", "a", second) is None
    with pytest.raises(RuntimeError):
        await failing


async def test_a_key_is_kept_for_a_day() -> None:
    scope_id, first, second = new_id(), new_id(), new_id()
    assert await use(scope_id, "key", "a", first) is None
    for age, expected in (("23 hours", first), ("25 hours", None)):
        async with transaction([scope_id]) as connection:
            sql = "UPDATE idempotency_keys SET created_at = now() - $1::text::interval WHERE scope_id = $2"
            await fetch(connection, sql, age, scope_id)
        assert await use(scope_id, "key", "a", second) == expected
    assert await use(scope_id, "key", "a", new_id()) == second

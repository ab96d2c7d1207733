"""How much of a thread is loaded, and what of it a model is told."""

import pytest

from engine.history import MOST_BYTES, MOST_MESSAGES, bytes_of_use, compose, load_history
from models.agents import AgentVersion
from models.database import fetch, transaction
from models.runs import Run
from models.threads import Message, MessageRole
from providers.port import ChatMessage, ChatRole
from tests.streaming.runs import make_run


def version(instructions: str = "", max_output_tokens: int | None = None) -> AgentVersion:
    return AgentVersion(instructions=instructions, max_output_tokens=max_output_tokens)


def words(*lengths: int) -> list[ChatMessage]:
    """Messages of so many estimated tokens."""
    return [ChatMessage(ChatRole.USER, "word" * length) for length in lengths]


async def say(run: Run, *texts: str) -> None:
    messages = [
        Message(
            workspace_id=run.workspace_id,
            thread_id=run.thread_id,
            run_id=run.id,
            position=position,
            role=MessageRole.ASSISTANT if position % 2 else MessageRole.USER,
            text=text,
        )
        for position, text in enumerate(texts)
    ]
    async with transaction([run.workspace_id]):
        await Message.bulk_create(messages)


async def loaded(run: Run, most_bytes: int = MOST_BYTES) -> list[str]:
    async with transaction([run.workspace_id]) as connection:
        return [message.text for message in await load_history(connection, run, most_bytes)]


@pytest.fixture
async def run(pool: None) -> Run:
    return await make_run()


async def test_history_is_oldest_first_and_as_long_as_may_be(run: Run) -> None:
    await say(run, "first", "wörd", "third")
    assert await loaded(run) == ["first", "wörd", "third"]
    assert await loaded(run, most_bytes=15) == ["first", "wörd", "third"]
    assert await loaded(run, most_bytes=14) == ["wörd", "third"]
    assert await loaded(run, most_bytes=9) == ["third"]


async def test_the_newest_message_is_loaded_however_long(run: Run) -> None:
    await say(run, "first", "x" * 1000)
    assert await loaded(run, most_bytes=10) == ["x" * 1000]


async def test_of_a_huge_thread_only_the_end_is_loaded(run: Run) -> None:
    await say(run, *(f"message {number}" for number in range(MOST_MESSAGES + 20)))
    messages = await loaded(run)
    assert len(messages) == MOST_MESSAGES
    assert messages[-1] == f"message {MOST_MESSAGES + 19}"


async def test_of_a_huge_thread_no_more_rows_are_looked_at_than_matter(run: Run) -> None:
    await say(run, *(f"message {number}" for number in range(3 * MOST_MESSAGES)))
    async with transaction([run.workspace_id]) as connection:
        await fetch(connection, "SET LOCAL enable_seqscan = off")
        await fetch(connection, "SET LOCAL enable_bitmapscan = off")
        plan = await fetch(
            connection,
            "EXPLAIN SELECT id FROM messages WHERE thread_id = $1 AND run_id <= $2"
            " ORDER BY run_id DESC, position DESC LIMIT 500",
            run.thread_id,
            run.id,
        )
    steps = [row["QUERY PLAN"] for row in plan]
    assert any("Index Scan Backward" in step for step in steps), steps
    assert not any("Sort" in step for step in steps), steps


def test_as_much_is_of_use_as_the_largest_window_takes() -> None:
    assert bytes_of_use([1000, 8000]) == 32_000
    assert bytes_of_use([1000, None]) == MOST_BYTES


def test_all_is_told_to_a_model_whose_window_is_unknown() -> None:
    history = words(10, 20, 30)
    assert compose(version(), history, None) == history


def test_instructions_and_the_newest_always_stand() -> None:
    composed = compose(version("Be brief."), words(500, 500), 100)
    assert [message.role for message in composed] == [ChatRole.SYSTEM, ChatRole.USER]


def test_room_is_left_for_the_answer() -> None:
    history = words(42, 42, 42)
    # 42 and 8 around it make 50; a quarter of the window is for the answer, unless the agent says how much.
    assert len(compose(version(), history, 200)) == 3
    assert len(compose(version(), history, 196)) == 2
    assert len(compose(version(max_output_tokens=10), history, 160)) == 3
    assert len(compose(version(max_output_tokens=11), history, 160)) == 2


def test_no_message_is_left_out_from_the_middle() -> None:
    assert compose(version(), words(1, 1000, 1, 1), 200) == words(1, 1)

"""The scripted provider, beyond what the conformance suite asks of every adapter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from providers.port import ChatMessage, ChatRole, ModelRequest
from providers.scripted import ScriptedProvider, split_words
from tests.answers import said_by


async def ask_echo(*messages: ChatMessage, max_output_tokens: int | None = None) -> list[ModelEvent]:
    request = ModelRequest("echo", messages, max_output_tokens=max_output_tokens)
    return [event async for event in said_by(ScriptedProvider(), request)]


async def test_echo_says_the_last_user_message_word_by_word_and_counts_exactly() -> None:
    events = await ask_echo(
        ChatMessage(ChatRole.SYSTEM, "Be brief."),
        ChatMessage(ChatRole.USER, "Hi"),
        ChatMessage(ChatRole.ASSISTANT, "Hi"),
        ChatMessage(ChatRole.USER, "one  two\nthree"),
    )
    assert events == [
        TextDelta("one"),
        TextDelta("  two"),
        TextDelta("\nthree"),
        ModelFinished(FinishReason.STOP, TokenUsage(input_tokens=7, output_tokens=3)),
    ]


async def test_echo_keeps_to_the_length_limit() -> None:
    events = await ask_echo(ChatMessage(ChatRole.USER, "one two three"), max_output_tokens=2)
    assert events[-1] == ModelFinished(FinishReason.LENGTH, TokenUsage(input_tokens=3, output_tokens=2))
    assert len(events) == 3


async def test_echo_of_nothing_is_nothing() -> None:
    assert await ask_echo() == [ModelFinished(FinishReason.STOP, TokenUsage())]


@settings(deadline=None)
@given(st.text())
def test_words_join_to_the_text_again(text: str) -> None:
    words = split_words(text)
    assert "".join(words) == text
    assert all(words)

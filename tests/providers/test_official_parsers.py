"""Our decoders beside the parsers of OpenAI's and Anthropic's own SDKs: of any stream they say the same."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
from anthropic import NOT_GIVEN, Anthropic
from anthropic import Stream as AnthropicStream
from anthropic.lib.streaming import MessageStream
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai import Stream as OpenAIStream
from openai.types.chat import ChatCompletionChunk

from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from providers.answer_decoder import AnswerDecoder
from providers.chat_completions import FINISH_REASONS, ChatCompletionsDecoder
from providers.messages import MessagesDecoder

OPENAI = OpenAI(api_key="none", base_url="http://127.0.0.1:9")
ANTHROPIC = Anthropic(api_key="none", base_url="http://127.0.0.1:9")
STOP_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


@dataclass
class Said:
    """What an answer comes to. ``calls``: id, name and arguments of each."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    reason: FinishReason | None = None
    usage: TokenUsage | None = None


def said_by_ours(decoder: AnswerDecoder, pieces: Sequence[bytes]) -> Said:
    said = Said()
    events: list[ModelEvent] = []
    for piece in pieces:
        decoder.feed(piece, events)
    decoder.close(events)
    for event in events:
        match event:
            case TextDelta(text):
                said.text += text
            case ReasoningDelta(text):
                said.reasoning += text
            case ToolCalled(call_id, name, arguments):
                said.calls.append((call_id, name, arguments))
            case ModelFinished(reason, usage):
                said.reason, said.usage = reason, usage
    return said


def said_by_openai(body: bytes) -> Said:
    response = httpx.Response(200, content=body, request=httpx.Request("POST", "http://127.0.0.1:9"))
    said, calls = Said(), dict[int, list[str]]()
    for chunk in OpenAIStream(cast_to=ChatCompletionChunk, response=response, client=OPENAI):
        if chunk.usage is not None:
            cached = chunk.usage.prompt_tokens_details
            count = cached.cached_tokens if cached is not None else None
            said.usage = TokenUsage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens, count or 0)
        for choice in chunk.choices:
            said.text += choice.delta.content or ""
            said.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            for delta in choice.delta.tool_calls or ():
                call = calls.setdefault(delta.index, ["", "", ""])
                function = delta.function
                told = (delta.id, function.name if function else None, function.arguments if function else None)
                calls[delta.index] = [old + (new or "") for old, new in zip(call, told, strict=True)]
            if choice.finish_reason is not None:
                said.reason = FINISH_REASONS[choice.finish_reason]
    said.calls = [(call_id, name, json.loads(arguments)) for call_id, name, arguments in calls.values()]
    return said


def said_by_anthropic(body: bytes) -> Said:
    response = httpx2.Response(200, content=body, request=httpx2.Request("POST", "http://127.0.0.1:9"))
    events = AnthropicStream[RawMessageStreamEvent](
        cast_to=RawMessageStreamEvent,  # type: ignore[arg-type]  # a union, as the SDK itself passes it
        response=response,
        client=ANTHROPIC,
    )
    message = MessageStream(events, output_format=NOT_GIVEN).get_final_message()
    said, usage = Said(), message.usage
    cached, stored = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    said.usage = TokenUsage(usage.input_tokens + cached + stored, usage.output_tokens, cached)
    said.reason = STOP_REASONS[message.stop_reason or ""]
    for block in message.content:
        match block.type:
            case "text":
                said.text += block.text
            case "thinking":
                said.reasoning += block.thinking
            case "tool_use":
                said.calls.append((block.id, block.name, block.input))
    return said


# What JSON carries and PostgreSQL can store.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
COUNTS = st.integers(min_value=0, max_value=10**6)
ARGUMENTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.lists(TEXTS), max_size=3)


@st.composite
def framed(draw: st.DrawFn, events: Sequence[tuple[str | None, str]]) -> list[bytes]:
    """A body of such events, by name and data, in any form that the standard allows, cut anywhere."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    body = ""
    for name, data in events:
        body += draw(st.sampled_from(["", f": a comment{end}", f": ping{end}{end}"]))
        body += f"event: {name}{end}" if name else draw(st.sampled_from(["", f"event: message{end}"]))
        body += draw(st.sampled_from(["data: ", "data:"])) + data + end + end
    whole = body.encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    return [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def written(draw: st.DrawFn, value: Any) -> str:
    """As JSON, in one of the ways to write it."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), separators=separators)


def pieces_of(draw: st.DrawFn, text: str) -> Iterator[str]:
    while text:
        length = draw(st.integers(1, max(1, len(text))))
        yield text[:length]
        text = text[length:]


@st.composite
def chat_completions(draw: st.DrawFn) -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    for text in draw(st.lists(TEXTS, max_size=5)):
        deltas.append(draw(st.sampled_from([{"content": text}, {"reasoning_content": text, "content": None}])))
    calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    for index, (name, arguments) in enumerate(calls):
        opening = {"name": name, "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": opening}]}
        )
        for piece in pieces_of(draw, written(draw, arguments)):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": d, "finish_reason": None}] for d in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": reason}])
    chunks: list[dict[str, Any]] = [{"id": "c", "object": "chat.completion.chunk", "choices": c} for c in choices]
    asked, answered = draw(COUNTS), draw(COUNTS)
    usage: dict[str, Any] = {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": draw(st.sampled_from([None, {}, {"cached_tokens": asked // 2}])),
    }
    chunks.append({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return draw(framed([(None, written(draw, chunk)) for chunk in chunks] + [(None, "[DONE]")]))


@st.composite
def messages(draw: st.DrawFn) -> list[bytes]:
    usage: dict[str, Any] = {"input_tokens": draw(COUNTS), "output_tokens": 1}
    usage |= draw(st.sampled_from([{}, {"cache_read_input_tokens": 5, "cache_creation_input_tokens": 7}]))
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": usage,
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    blocks = draw(st.lists(st.sampled_from(["text", "thinking", "tool_use"]), max_size=5))
    for index, kind in enumerate(blocks):
        block, deltas = draw(_BLOCKS[kind])
        if kind == "tool_use":
            block |= {"id": f"toolu_{index}"}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events += [{"type": "ping"}] * draw(st.integers(0, 1))
        events.append({"type": "content_block_stop", "index": index})
    plain = ["end_turn", "stop_sequence", "max_tokens", "refusal"]
    reason = "tool_use" if "tool_use" in blocks else draw(st.sampled_from(plain))
    end = {"stop_reason": reason, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": draw(COUNTS)}})
    events.append({"type": "message_stop"})
    return draw(framed([(event["type"], written(draw, event)) for event in events]))


@st.composite
def text_block(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    deltas = [{"type": "text_delta", "text": text} for text in draw(st.lists(TEXTS, max_size=4))]
    return {"type": "text", "text": draw(TEXTS)}, deltas


@st.composite
def thinking_block(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    deltas = [{"type": "thinking_delta", "thinking": text} for text in draw(st.lists(TEXTS, max_size=4))]
    return {"type": "thinking", "thinking": "", "signature": ""}, [
        *deltas,
        {"type": "signature_delta", "signature": "x"},
    ]


@st.composite
def tool_block(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    written_out = written(draw, draw(ARGUMENTS))
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces_of(draw, written_out)]]
    return {"type": "tool_use", "id": "", "name": draw(NAMES), "input": {}}, deltas


_BLOCKS = {"text": text_block(), "thinking": thinking_block(), "tool_use": tool_block()}


@settings(max_examples=100)
@given(chat_completions())
def test_of_a_chat_completion_they_say_the_same(pieces: list[bytes]) -> None:
    assert said_by_ours(ChatCompletionsDecoder(), pieces) == said_by_openai(b"".join(pieces))


@settings(max_examples=100)
@given(messages())
def test_of_a_message_they_say_the_same(pieces: list[bytes]) -> None:
    assert said_by_ours(MessagesDecoder(), pieces) == said_by_anthropic(b"".join(pieces))

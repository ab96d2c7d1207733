"""Anthropic's messages, without sockets: what is asked, and what is read beyond what the official parser reads."""

from typing import Any

import orjson
import pytest

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage, ToolCalled
from providers.anthropic import AnthropicProvider
from providers.messages import OUTPUT_TOOL, MessagesDecoder, encode_request
from providers.port import ChatMessage, ChatRole, ModelRequest, ToolSpec
from tests.answers import said_by
from tests.upstream import anthropic
from tests.upstream.server import Upstream

ASKED = [ChatMessage(ChatRole.USER, "Hi")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^b"}}}
WEATHER = ToolSpec("weather", "Tells the weather.", {"type": "object"})


def body_of(request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(encode_request(request, most_output_tokens=100))
    return body


def event(kind: str, **fields: Any) -> bytes:
    return b"data: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def end(reason: str) -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 2}) + event("message_stop")


def decode(body: bytes) -> list[ModelEvent]:
    decoder = MessagesDecoder()
    events: list[ModelEvent] = []
    decoder.feed(body, events)
    decoder.close(events)
    return events


class TestAsking:
    def test_instructions_stand_apart_from_the_turns(self) -> None:
        system, more = ChatMessage(ChatRole.SYSTEM, "Be brief."), ChatMessage(ChatRole.SYSTEM, "Be kind.")
        assert body_of(ModelRequest("claude", [system, *ASKED, more])) == {
            "model": "claude",
            "max_tokens": 100,
            "system": "Be brief.\n\nBe kind.",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            "stream": True,
        }

    def test_limits_and_temperature_are_passed_on_as_far_as_they_go(self) -> None:
        body = body_of(ModelRequest("claude", ASKED, temperature=1.7, max_output_tokens=5))
        assert (body["max_tokens"], body["temperature"]) == (5, 1.0)

    def test_answers_of_tools_are_one_turn_of_the_user(self) -> None:
        calls = (ToolCalled("c1", "weather", {"city": "Rome"}), ToolCalled("c2", "weather", "nonsense"))
        messages = [
            *ASKED,
            ChatMessage(ChatRole.ASSISTANT, " ", tool_calls=calls),
            ChatMessage(ChatRole.TOOL, "sunny", call_id="c1"),
            ChatMessage(ChatRole.TOOL, "no", call_id="c2"),
        ]
        body = body_of(ModelRequest("claude", messages, tools=[WEATHER]))
        assert body["tools"] == [
            {"name": "weather", "description": "Tells the weather.", "input_schema": {"type": "object"}}
        ]
        assert body["messages"][1:] == [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "c2", "name": "weather", "input": {"arguments": "nonsense"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "no"},
                ],
            },
        ]

    @pytest.mark.parametrize(
        ("tools", "choice"), [([], {"type": "tool", "name": OUTPUT_TOOL}), ([WEATHER], {"type": "any"})]
    )
    def test_an_answer_by_a_schema_is_asked_for_as_a_tools_arguments(
        self, tools: list[ToolSpec], choice: dict[str, str]
    ) -> None:
        body = body_of(ModelRequest("claude", ASKED, tools=tools, output_schema=SCHEMA))
        assert body["tools"][-1]["input_schema"] == SCHEMA
        assert body["tool_choice"] == choice

    async def test_what_a_model_can_write_at_most_is_known(self, upstream: Upstream) -> None:
        model = "claude-sonnet-4-5"
        upstream.serve(anthropic.failure(400, "No."), model=model)
        provider = AnthropicProvider(upstream.origin, "sk", idle_timeout_s=5)
        with pytest.raises(ProviderFailed):
            await anext(said_by(provider, ModelRequest(model, ASKED)))
        await provider.aclose()
        exchange = upstream.exchanges(model)[-1]
        assert exchange.body["max_tokens"] == 64_000
        assert exchange.headers["anthropic-version"] == "2023-06-01"


class TestReading:
    def test_the_arguments_of_the_output_tool_are_the_answer(self) -> None:
        block = {"type": "tool_use", "id": "t1", "name": OUTPUT_TOOL, "input": {}}
        pieces = ['{"a":', '"b"}']
        deltas = [
            event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": piece})
            for piece in pieces
        ]
        body = event("content_block_start", index=0, content_block=block) + b"".join(deltas) + end("tool_use")
        assert decode(body) == [*map(TextDelta, pieces), ModelFinished(FinishReason.STOP, TokenUsage(0, 2))]

    def test_arguments_that_come_whole_are_taken(self) -> None:
        block = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}}
        assert decode(event("content_block_start", index=0, content_block=block) + end("tool_use")) == [
            ToolCalled("t1", "weather", {"city": "Rome"}),
            ModelFinished(FinishReason.TOOL_CALLS, TokenUsage(0, 2)),
        ]

    def test_blocks_and_events_that_are_unknown_are_passed_over(self) -> None:
        body = event("content_block_start", index=0, content_block={"type": "server_tool_use", "id": "s"})
        body += event("content_block_delta", index=0, delta={"type": "citations_delta"}) + event("new")
        assert decode(body + end("pause_turn")) == [ModelFinished(FinishReason.STOP, TokenUsage(0, 2))]

    def test_a_context_that_is_full_cuts_the_answer(self) -> None:
        assert decode(end("model_context_window_exceeded"))[-1] == ModelFinished(FinishReason.LENGTH, TokenUsage(0, 2))

    @pytest.mark.parametrize(("kind", "retryable"), [("overloaded_error", True), ("invalid_request_error", False)])
    def test_an_error_in_the_midst_says_whether_to_try_again(self, kind: str, retryable: bool) -> None:
        with pytest.raises(ProviderFailed, match=r"Too much\.") as caught:
            decode(event("error", error={"type": kind, "message": "Too much."}))
        assert caught.value.retryable is retryable

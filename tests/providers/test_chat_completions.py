"""The chat-completions wire format, without sockets: bytes in, events out."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from providers.chat_completions import OWN_DIALECTS, ChatCompletionsDecoder, encode_request
from providers.port import ChatMessage, ChatRole, ModelRequest, ToolSpec
from tests.upstream.replies import DONE, Call, Reply, Usage, chunk, completion, event, text, tool_calls, usage_chunk

STOPPED = ModelFinished(FinishReason.STOP, None)


def decode(*pieces: bytes) -> list[ModelEvent]:
    """The events of a body that comes in ``pieces``."""
    decoder = ChatCompletionsDecoder()
    events: list[ModelEvent] = []
    for piece in pieces:
        decoder.feed(piece, events)
    decoder.close(events)
    return events


def outcome(pieces: Iterable[bytes]) -> list[ModelEvent | str]:
    """The events of a body that comes in ``pieces`` and, where it fails, the failure's words after them."""
    decoder = ChatCompletionsDecoder()
    events: list[ModelEvent] = []
    try:
        for piece in pieces:
            decoder.feed(piece, events)
        decoder.close(events)
    except ProviderFailed as failure:
        return [*events, failure.message]
    return [*events]


def call_deltas(*calls: Mapping[str, Any]) -> bytes:
    return b"".join(chunk({"tool_calls": [call]}) for call in calls)


class TestText:
    def test_each_delta_is_an_event_and_the_end_carries_reason_and_usage(self) -> None:
        reply = text("Hel", "lo ✓", finish_reason="length", usage=Usage(7, 2, cached_tokens=4))
        assert decode(reply.body) == [
            TextDelta("Hel"),
            TextDelta("lo ✓"),
            ModelFinished(FinishReason.LENGTH, TokenUsage(input_tokens=7, output_tokens=2, cached_tokens=4)),
        ]

    def test_empty_deltas_are_no_events(self) -> None:
        reply = completion([{"role": "assistant", "content": ""}, {"content": None}, {}])
        assert decode(reply.body) == [STOPPED]

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
    def test_reasoning_is_kept_apart(self, name: str) -> None:
        assert decode(completion([{name: "Hm."}, {"content": "Yes"}]).body) == [
            ReasoningDelta("Hm."),
            TextDelta("Yes"),
            STOPPED,
        ]

    def test_mistrals_parts_are_thoughts_and_text(self) -> None:
        thoughts = [{"type": "text", "text": "Hm"}, {"type": "text", "text": "."}]
        parts = [{"type": "thinking", "thinking": thoughts}, {"type": "text", "text": "Yes"}]
        assert decode(completion([{"content": parts}]).body) == [ReasoningDelta("Hm."), TextDelta("Yes"), STOPPED]

    def test_a_refusal_is_what_the_model_says(self) -> None:
        assert decode(completion([{"refusal": "I can't."}]).body) == [TextDelta("I can't."), STOPPED]

    def test_nul_characters_are_dropped(self) -> None:
        assert decode(completion([{"content": "a\0b"}, {"content": "\0"}]).body) == [TextDelta("ab"), STOPPED]

    @pytest.mark.parametrize("broken", [b"\\ud83d", b"\xf0\x9f"])
    def test_half_a_character_does_not_cost_the_answer(self, broken: bytes) -> None:
        events = decode(text("aXb").body.replace(b"X", broken))
        assert isinstance(events[0], TextDelta)
        assert events[0].text[0] + events[0].text[-1] == "ab"
        events[0].text.encode()
        assert events[1:] == [STOPPED]

    def test_other_choices_and_unknown_fields_are_ignored(self) -> None:
        choices = [{"index": 0, "delta": {"content": "a", "x": 1}}, {"index": 1, "delta": {"content": "b"}}]
        assert decode(event({"choices": choices, "y": {}}), chunk({}, "stop"), DONE) == [TextDelta("a"), STOPPED]


class TestEnd:
    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            ("stop", FinishReason.STOP),
            ("length", FinishReason.LENGTH),
            ("content_filter", FinishReason.CONTENT_FILTER),
            ("eos", FinishReason.STOP),
        ],
    )
    def test_finish_reasons(self, word: str, reason: FinishReason) -> None:
        assert decode(text("a", finish_reason=word).body)[-1] == ModelFinished(reason, None)

    def test_a_missing_done_is_no_fault(self) -> None:
        body = text("a", usage=Usage(1, 1)).body.removesuffix(DONE)
        assert decode(body) == [TextDelta("a"), ModelFinished(FinishReason.STOP, TokenUsage(1, 1))]

    def test_done_without_a_finish_reason_is_the_providers_word(self) -> None:
        assert decode(chunk({"content": "a"}), DONE) == [TextDelta("a"), STOPPED]

    def test_what_comes_after_done_is_ignored(self) -> None:
        decoder = ChatCompletionsDecoder()
        events: list[ModelEvent] = []
        decoder.feed(text("a").body + chunk({"content": "b"}), events)
        assert decoder.done
        decoder.close(events)
        assert events == [TextDelta("a"), STOPPED]

    @pytest.mark.parametrize("body", [b"", chunk({"content": "a"}), b": ping\n\n"])
    def test_a_body_that_ends_before_the_model_may_be_retried(self, body: bytes) -> None:
        with pytest.raises(ProviderFailed, match="broke off") as caught:
            decode(body)
        assert caught.value.retryable

    def test_the_last_usage_counts(self) -> None:
        body = usage_chunk(Usage(5, 1)) + chunk({"content": "a"}, "stop") + usage_chunk(Usage(5, 2)) + DONE
        assert decode(body)[-1] == ModelFinished(FinishReason.STOP, TokenUsage(5, 2))

    def test_what_the_model_thought_is_output_also_where_the_completion_leaves_it_out(self) -> None:
        """xAI and Gemini count reasoning in the total alone."""
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 17}
        end = decode(chunk({"content": "a"}, "stop"), event({"choices": [], "usage": usage}), DONE)[-1]
        assert end == ModelFinished(FinishReason.STOP, TokenUsage(5, 12))

    @pytest.mark.parametrize("usage", [None, {}])
    def test_no_usage_is_none(self, usage: Any) -> None:
        assert decode(text("a").body, event({"choices": [], "usage": usage}))[-1] == STOPPED

    def test_senseless_counts_are_zero(self) -> None:
        usage = {"prompt_tokens": "many", "completion_tokens": -1, "prompt_tokens_details": None}
        body = event({"choices": [], "usage": usage}) + text("a").body
        assert decode(body)[-1] == ModelFinished(FinishReason.STOP, TokenUsage())


class TestToolCalls:
    def test_deltas_are_put_together_by_index(self) -> None:
        reply = tool_calls(Call("c1", "weather", '{"city": "Zürich"}'), Call("c2", "time", "{}"), fragment=3)
        assert decode(reply.body) == [
            ToolCalled("c1", "weather", {"city": "Zürich"}),
            ToolCalled("c2", "time", {}),
            ModelFinished(FinishReason.TOOL_CALLS, None),
        ]

    def test_deltas_of_several_calls_may_alternate(self) -> None:
        body = call_deltas(
            {"index": 0, "id": "c1", "function": {"name": "a", "arguments": '{"n"'}},
            {"index": 1, "id": "c2", "function": {"name": "b", "arguments": '{"n"'}},
            {"index": 0, "function": {"arguments": ": 1}"}},
            {"index": 1, "function": {"arguments": ": 2}"}},
        )
        assert decode(body, DONE)[:2] == [ToolCalled("c1", "a", {"n": 1}), ToolCalled("c2", "b", {"n": 2})]

    @pytest.mark.parametrize("index", [{}, {"index": 0}])
    def test_whole_calls_without_an_index_of_their_own_are_told_apart_by_id(self, index: dict[str, int]) -> None:
        body = call_deltas(
            {**index, "id": "c1", "function": {"name": "a", "arguments": "{}"}},
            {**index, "id": "c2", "function": {"name": "b", "arguments": "{}"}},
        )
        assert decode(body, DONE)[:2] == [ToolCalled("c1", "a", {}), ToolCalled("c2", "b", {})]

    def test_an_id_repeated_with_each_delta_is_one_call(self) -> None:
        body = call_deltas(
            {"index": 0, "id": "c1", "function": {"name": "a", "arguments": "{"}},
            {"index": 0, "id": "c1", "function": {"name": "a", "arguments": "}"}},
        )
        assert decode(body, DONE)[:-1] == [ToolCalled("c1", "a", {})]

    def test_calls_without_an_id_get_different_ones(self) -> None:
        body = call_deltas(
            {"index": 0, "function": {"name": "a", "arguments": "{}"}},
            {"index": 1, "function": {"name": "a", "arguments": "{}"}},
        )
        first, second, _ = decode(body, DONE)
        assert isinstance(first, ToolCalled)
        assert isinstance(second, ToolCalled)
        assert first.call_id != second.call_id

    def test_calls_without_ids_at_the_same_index_are_told_apart_by_their_names(self) -> None:
        deltas = [{"tool_calls": [{"index": 0, "function": {"name": name, "arguments": "{}"}}]} for name in ("a", "b")]
        calls = [event for event in decode(completion(deltas).body) if isinstance(event, ToolCalled)]
        assert [(call.name, call.arguments) for call in calls] == [("a", {}), ("b", {})]
        assert calls[0].call_id != calls[1].call_id

    def test_no_arguments_are_an_empty_object(self) -> None:
        assert decode(tool_calls(Call("c1", "now", "")).body)[0] == ToolCalled("c1", "now", {})

    def test_arguments_that_are_not_json_stay_as_the_model_wrote_them(self) -> None:
        reply = tool_calls(Call("c1", "weather", "{city: Paris}"))
        assert decode(reply.body) == [
            ToolCalled("c1", "weather", "{city: Paris}"),
            ModelFinished(FinishReason.TOOL_CALLS, None),
        ]

    def test_arguments_that_are_nested_too_deep_stay_as_the_model_wrote_them(self) -> None:
        for levels, is_taken in ((64, True), (65, False), (900, False)):
            written = "[" * levels + "]" * levels
            [call, _] = decode(tool_calls(Call("c1", "search", written)).body)
            assert isinstance(call, ToolCalled)
            assert (call.arguments == written) is not is_taken

    def test_a_call_cut_off_by_the_length_limit_is_not_made(self) -> None:
        reply = tool_calls(Call("c1", "a", "{}"), Call("c2", "weather", '{"city": "Pa'), finish_reason="length")
        assert decode(reply.body) == [ToolCalled("c1", "a", {}), ModelFinished(FinishReason.LENGTH, None)]

    def test_calls_that_finish_with_stop_are_calls_all_the_same(self) -> None:
        reply = tool_calls(Call("c1", "a", "{}"), finish_reason="stop")
        assert decode(reply.body)[-1] == ModelFinished(FinishReason.TOOL_CALLS, None)

    def test_nul_characters_in_arguments_are_dropped(self) -> None:
        reply = tool_calls(Call("c1", "a", '{"k\\u0000": ["\\u0000v", 1]}'))
        assert decode(reply.body)[0] == ToolCalled("c1", "a", {"k": ["v", 1]})


class TestFailures:
    def test_an_error_in_the_midst_of_the_stream_comes_after_what_went_before(self) -> None:
        body = chunk({"content": "a"}) + event({"error": {"message": "Overloaded", "code": 503}})
        assert outcome([body]) == [TextDelta("a"), "The provider reported an error: Overloaded"]

    def test_a_body_that_is_an_error_is_that_error(self) -> None:
        with pytest.raises(ProviderFailed, match="No credit") as caught:
            decode(b' \n{"error": {"message": "No cre', b'dit", "type": "insufficient_quota"}}')
        assert not caught.value.retryable

    def test_a_web_page_is_no_stream(self) -> None:
        with pytest.raises(ProviderFailed, match="base URL") as caught:
            decode(b"<!doctype html><title>data: x\n\n</title>")
        assert not caught.value.retryable

    def test_the_finish_reason_error_is_a_failure(self) -> None:
        with pytest.raises(ProviderFailed) as caught:
            decode(text("a", finish_reason="error").body)
        assert caught.value.retryable

    @pytest.mark.parametrize(
        "data",
        [
            b"{",
            b"[]",
            b"5",
            b'"x"',
            b"[" * 5000,
            b'{"choices": 5}',
            b'{"choices": [5]}',
            b'{"choices": [{"delta": "x"}]}',
            b'{"choices": [{"delta": {"content": 5}}]}',
            b'{"choices": [{"delta": {"tool_calls": {}}}]}',
            b'{"choices": [{"delta": {"tool_calls": [{"function": []}]}}]}',
            b'{"choices": [{"delta": {"tool_calls": [{"index": [], "id": 5}]}}]}',
            b'{"choices": [{"finish_reason": 5}]}',
            b'{"usage": []}',
            b'{"usage": {"prompt_tokens_details": 5}}',
        ],
    )
    def test_nonsense_is_a_failure_like_any_other(self, data: bytes) -> None:
        with pytest.raises(ProviderFailed) as caught:
            decode(b"data: " + data + b"\n\n")
        assert caught.value.retryable


BODIES = [
    text("Grüße, ", "世界 ", "🌍🏽", usage=Usage(3, 4)),
    text("a", "b").replacing(b"\n", b"\r\n"),
    text("a", "b").replacing(b"\n\n", b"\r\r"),
    tool_calls(Call("c1", "wetter", '{"ort": "Köln"}'), Call("c2", "b", "nonsense"), usage=Usage(1, 2)),
    completion([{"reasoning_content": "hm ✓"}, {"content": "ja"}]),
    Reply([b": ping\n\n", *text("a").steps, b"data: {"]),
    Reply([chunk({"content": "ä"}), event({"error": {"message": "Überlast", "code": 503}}), DONE]),
    Reply([chunk({"content": "ä"}), b"data: {nonsense\n\n"]),
    Reply([chunk({"content": "cut off"})]),
    Reply(['{"error": {"message": "müde"}}'.encode()]),
    Reply([b"\n\n  <html>"]),
]


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(BODIES), st.lists(st.integers(min_value=0), max_size=30))
def test_where_the_bytes_are_cut_makes_no_difference(reply: Reply, cuts: list[int]) -> None:
    body = reply.body
    places = sorted({cut % len(body) for cut in cuts})
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    assert outcome(pieces) == outcome([body])


@pytest.mark.parametrize("reply", BODIES)
def test_byte_by_byte_gives_the_same(reply: Reply) -> None:
    assert outcome(step for step in reply.in_writes_of(1).steps if isinstance(step, bytes)) == outcome([reply.body])


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_comes_through(tokens: list[str]) -> None:
    assert decode(text(*tokens).body) == [*map(TextDelta, tokens), STOPPED]


VALUES = st.none() | st.sampled_from(["", "a", "b\0c", "stop", 0, 1, True, [], [{}], {}, {"a": 1}, ["text"]])
DELTAS = VALUES | st.dictionaries(
    st.sampled_from(["content", "refusal", "reasoning", "reasoning_content", "tool_calls", "other"]), VALUES, max_size=2
)
CHOICES = VALUES | st.fixed_dictionaries({"delta": DELTAS}, optional={"finish_reason": VALUES, "index": VALUES})
CHUNKS = st.fixed_dictionaries(
    {"choices": VALUES | st.lists(CHOICES, max_size=2)}, optional={"usage": VALUES, "error": VALUES, "id": VALUES}
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(CHUNKS, min_size=1, max_size=3))
def test_chunks_of_text_alone_are_read_as_all_others(chunks: list[dict[str, Any]]) -> None:
    # By JSON, which makes one object two where it stands in two places, as a deep copy does not.
    long_way = orjson.loads(orjson.dumps(chunks))
    for one in long_way:
        for choice in one["choices"] if isinstance(one["choices"], list) else ():
            if isinstance(choice, dict) and isinstance(choice.get("delta"), dict):
                # It says nothing, but the text is no longer alone.
                choice["delta"]["role"] = "assistant"
    assert outcome(map(event, chunks)) == outcome(map(event, long_way))


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_provider_failure(noise: bytes) -> None:
    outcome([noise])
    outcome([b"data: " + noise + b"\n\n"])


class TestRequest:
    def test_the_conversation_in_the_wires_words(self) -> None:
        request = ModelRequest(
            model="m",
            messages=[
                ChatMessage(ChatRole.SYSTEM, "Be kind."),
                ChatMessage(ChatRole.USER, "Weather?"),
                ChatMessage(ChatRole.ASSISTANT, "", tool_calls=(ToolCalled("c1", "weather", {"city": "Köln"}),)),
                ChatMessage(ChatRole.TOOL, "rain", call_id="c1"),
            ],
        )
        function = {"name": "weather", "arguments": '{"city":"Köln"}'}
        assert orjson.loads(encode_request(request)) == {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": function}],
                },
                {"role": "tool", "content": "rain", "tool_call_id": "c1"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_where_servers_disagree_each_is_asked_in_its_own_way(self) -> None:
        request = ModelRequest("m", [], max_output_tokens=5)
        of_openai = orjson.loads(encode_request(request, OWN_DIALECTS["https://api.openai.com/"]))
        of_mistral = orjson.loads(encode_request(request, OWN_DIALECTS["https://api.mistral.ai/"]))
        assert of_openai == {
            "model": "m",
            "messages": [],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 5,
        }
        assert of_mistral == {"model": "m", "messages": [], "stream": True, "max_tokens": 5}

    def test_tools_limits_and_schema_are_sent_only_when_asked_for(self) -> None:
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
        request = ModelRequest(
            model="m",
            messages=[],
            tools=[ToolSpec("weather", "Tells the weather.", parameters)],
            temperature=0.0,
            max_output_tokens=5,
            output_schema={"type": "object"},
        )
        body = orjson.loads(encode_request(request))
        assert body["tools"] == [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Tells the weather.", "parameters": parameters},
            }
        ]
        assert body["temperature"] == 0
        assert body["max_tokens"] == 5
        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": {"type": "object"}},
        }

    def test_arguments_that_were_not_json_go_back_as_json(self) -> None:
        message = ChatMessage(ChatRole.ASSISTANT, "", tool_calls=(ToolCalled("c1", "weather", "{city: Paris}"),))
        body = orjson.loads(encode_request(ModelRequest(model="m", messages=[message])))
        assert orjson.loads(body["messages"][0]["tool_calls"][0]["function"]["arguments"]) == "{city: Paris}"

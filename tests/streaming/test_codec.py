"""The two written forms of events: rows of the log, messages on the bus."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from asyncpg.pgproto.pgproto import UUID
from hypothesis import given
from hypothesis import strategies as st

from core.events import (
    LoggedEvent,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    RunRewound,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolCalled,
)
from core.ids import new_id
from streaming.codec import EventsMessage, Undecodable, decode_body, decode_events, encode_body, encode_events, storable

SEQS = st.integers(1, 2**31 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=4)
BODIES: st.SearchStrategy[RunEventBody] = st.one_of(
    st.builds(TextDelta, TEXTS),
    st.builds(ReasoningDelta, TEXTS),
    st.builds(ToolCalled, TEXTS, TEXTS, JSON_VALUES),
    st.builds(RunStarted, OBJECTS),
    st.builds(StepStarted, OBJECTS),
    st.builds(StepFinished, OBJECTS),
    st.builds(RunRewound, SEQS, SEQS),
    st.builds(RunFinished, OBJECTS, TEXTS),
)
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
EVENTS = st.builds(LoggedEvent, st.uuids(), SEQS, SEQS, TIMES, st.none() | st.uuids(), BODIES)


@given(BODIES)
def test_a_body_survives_being_a_row(body: RunEventBody) -> None:
    assert decode_body(*encode_body(body)) == body


@given(st.lists(EVENTS, max_size=3))
def test_events_survive_being_a_message(events: list[LoggedEvent]) -> None:
    assert decode_events(encode_events(events)) == events
    message = EventsMessage(events)
    # Within the process, and beyond it.
    assert decode_events(message) == decode_events(bytes(message)) == events
    assert len(message) >= sum(len(event.body.text) for event in events if isinstance(event.body, TextDelta))


def test_ids_may_be_those_of_the_database_driver() -> None:
    run_id, step_id = new_id(), new_id()
    event = LoggedEvent(UUID(str(run_id)), 1, 1, datetime.now(UTC), UUID(str(step_id)), TextDelta("Hi"))
    [decoded] = decode_events(encode_events([event]))
    assert (decoded.run_id, decoded.step_id) == (run_id, step_id)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"nonsense",
        b"null",
        b"{}x",
        b'{"TextDelta": {}}',
        b"[1]",
        b'[["TextDelta", null]]',
        b'[["TextDelta", {"run_id": "1"}]]',
        b'[["NotYetInvented", {}]]',
    ],
)
def test_other_messages_are_undecodable(message: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_events(message)


def test_an_event_of_a_newer_version_is_undecodable() -> None:
    event = LoggedEvent(new_id(), 1, 1, datetime.now(UTC), None, TextDelta("Hi"))
    [[type_name, fields]] = orjson.loads(encode_events([event]))
    with pytest.raises(Undecodable):
        decode_events(orjson.dumps([["NotYetInvented", fields]]))
    fields["body"]["colour"] = "red"
    with pytest.raises(Undecodable):
        decode_events(orjson.dumps([[type_name, fields]]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (TextDelta("a\x00b"), TextDelta("a\ufffdb")),
        (TextDelta("é\ud83d"), TextDelta("é\ufffd")),
        (TextDelta("\ud83d\ude00"), TextDelta("😀")),
        (
            ToolCalled("1\x00", "search", {"q\x00": ["\udc00", {"n": "\x00"}, 1, None]}),
            ToolCalled("1\ufffd", "search", {"q\ufffd": ["\ufffd", {"n": "\ufffd"}, 1, None]}),
        ),
    ],
)
def test_what_postgresql_cannot_store_is_replaced(body: RunEventBody, expected: RunEventBody) -> None:
    assert storable(body) == expected


@given(BODIES)
def test_everything_else_stays_as_it_is(body: RunEventBody) -> None:
    if b"\\u0000" not in orjson.dumps(body):
        assert storable(body) is body


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_made_storable(text: str) -> None:
    body = storable(TextDelta(text))
    _, payload = encode_body(body)
    assert "\\u0000" not in payload.replace("\\\\", "")
    assert decode_body("TextDelta", payload) == body

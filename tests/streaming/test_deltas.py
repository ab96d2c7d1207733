"""Merging deltas, and what stands of the text."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import LoggedEvent, ReasoningDelta, RunEventBody, RunRewound, StepStarted, TextDelta, ToolCalled
from core.ids import new_id
from streaming import deltas
from streaming.deltas import MAX_MERGED_CHARS, StandingText, extend, joined, merge
from tests.streaming.runs import sha256_of

RUN, ONE, TWO = new_id(), new_id(), new_id()
START = datetime(2026, 11, 22, tzinfo=UTC)


def event(seq: int, body: RunEventBody, step_id: UUID = ONE) -> LoggedEvent:
    return LoggedEvent(RUN, seq, seq, START + timedelta(seconds=seq), step_id, body)


def test_a_merged_delta_covers_both_and_happened_last() -> None:
    merged = merge(event(3, TextDelta("Hel")), event(4, TextDelta("lo")))
    assert merged == LoggedEvent(RUN, 4, 3, START + timedelta(seconds=4), ONE, TextDelta("Hello"))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (event(3, TextDelta("a")), event(4, ReasoningDelta("b"))),
        (event(3, ReasoningDelta("a")), event(4, TextDelta("b"))),
        (event(3, TextDelta("a")), event(4, TextDelta("b"), TWO)),
        (event(3, StepStarted({})), event(4, StepStarted({}))),
        (event(3, TextDelta("a")), event(4, RunRewound(1, 2))),
    ],
)
def test_what_differs_stays_apart(earlier: LoggedEvent, later: LoggedEvent) -> None:
    assert merge(earlier, later) is None


def test_no_merged_text_grows_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltas, "MAX_MERGED_CHARS", 10)
    events: list[LoggedEvent] = []
    extend(events, (event(seq, TextDelta("abcd")) for seq in range(1, 6)))
    assert [(merged.first_seq, merged.seq) for merged in events] == [(1, 2), (3, 4), (5, 5)]


def test_only_neighbours_are_merged() -> None:
    events = [event(1, TextDelta("a"))]
    extend(events, [event(2, TextDelta("b")), event(3, StepStarted({})), event(4, TextDelta("c"))])
    assert [merged.body for merged in events] == [TextDelta("ab"), StepStarted({}), TextDelta("c")]


@given(
    st.lists(
        st.one_of(
            st.builds(TextDelta, st.text(min_size=1, max_size=9)),
            st.builds(ReasoningDelta, st.text(min_size=1, max_size=9)),
            st.just(ToolCalled("1", "search", {})),
        )
    ),
    st.integers(3, 30),
)
def test_what_came_at_once_is_joined_as_its_events_would_be_merged(said: list[RunEventBody], most_chars: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "MAX_MERGED_CHARS", MAX_MERGED_CHARS)
        events: list[LoggedEvent] = []
        extend(events, (event(seq, body) for seq, body in enumerate(said, 1)))
        assert joined(said) == [merged.body for merged in events]
        patch.setattr(deltas, "MAX_MERGED_CHARS", most_chars)
        short = joined(said)
        assert joined(short) == short
        patch.undo()
        assert joined(short) == joined(said)


def test_a_rewind_takes_back_what_its_step_said_and_nothing_else() -> None:
    text = StandingText([event(1, TextDelta("one, ")), event(2, TextDelta("two, "), TWO), event(3, TextDelta("three"))])
    text.add(event(4, RunRewound(to_seq=1, attempt=2)))
    text.add(event(5, TextDelta("four")))
    assert text.sha256() == sha256_of("one, two, four")
    assert (text.of_step(ONE), text.of_step(TWO), text.of_step(RUN)) == ("one, four", "two, ", "")


def test_reasoning_is_no_part_of_what_was_said() -> None:
    assert StandingText([event(1, ReasoningDelta("hm"))]).sha256() == sha256_of("")

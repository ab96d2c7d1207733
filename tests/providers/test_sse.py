"""The parser of server-sent events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ProviderFailed
from providers import sse
from providers.sse import EventStreamDecoder


def decode(*chunks: bytes) -> list[bytes]:
    decoder = EventStreamDecoder()
    events = [data for chunk in chunks for data in decoder.feed(chunk)]
    return events + decoder.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_they_like(end: bytes) -> None:
    assert decode(b"data: a" + end + b"data:b" + end + end + b"data: c" + end + end) == [b"a\nb", b"c"]


def test_comments_and_other_fields_are_dropped() -> None:
    assert decode(b": ping\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n:\n\n") == [b"a"]


def test_an_event_shows_as_soon_as_its_blank_line_is_there() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [b"a"]
    assert decoder.feed(b"\ndata: b\r\n\r\n") == [b"b"]


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert decode(b"data: a\n\ndata: b") == [b"a", b"b"]


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(ProviderFailed, match="without end"):
        decode(*[b"data: 12345\n"] * 100)


def test_a_long_stream_of_small_events_and_comments_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert decode(*[b"data: 12345\n\n: ping\n\n"] * 100) == [b"12345"] * 100


@settings(deadline=None)  # the machine may be busy
@given(st.binary(), st.lists(st.integers(min_value=0)))
def test_where_the_bytes_are_cut_makes_no_difference(noise: bytes, cuts: list[int]) -> None:
    body = b"data: a\r\n\r\n" + noise.replace(b"x", b"\ndata: ").replace(b"y", b"\r\n\r\n") + b"\r\ndata: z\n\n"
    places = sorted({cut % len(body) for cut in cuts})
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    assert decode(*pieces) == decode(body)

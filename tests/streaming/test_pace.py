"""How often a follower is told of what is said, whenever that is."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.pace import EARLY_S, Pace

ROUNDING = 1e-9


def followed(max_hz: int, said_at: Sequence[float]) -> tuple[list[float], list[float]]:
    """When what was said at these times was shown, each time all that waited, and how long the eldest had waited."""
    now = 0.0
    pace = Pace(max_hz, lambda: now)
    waits_since: float | None = None
    shown_at: list[float] = []
    waits: list[float] = []

    def show(since: float) -> None:
        shown_at.append(now)
        waits.append(now - since)
        pace.count()

    for at in (*said_at, float("inf")):
        if waits_since is not None and pace.due < at:
            now = pace.due
            show(waits_since)
            waits_since = None
        now = at
        waits_since = at if waits_since is None else waits_since
        if pace.is_due:
            show(waits_since)
            waits_since = None
    return shown_at[:-1], waits[:-1]


@given(
    max_hz=st.integers(1, 120),
    pauses=st.lists(st.floats(0, 0.3), max_size=200) | st.floats(0.001, 0.1).map(lambda pause_s: [pause_s] * 200),
)
def test_no_more_is_shown_in_a_second_and_nothing_waits_for_longer_than_between_two(
    max_hz: int, pauses: list[float]
) -> None:
    shown_at, waits = followed(max_hz, list(accumulate(pauses)))
    for number, first in enumerate(shown_at):
        # One more, as the second begins with one; and what may be early at its end.
        assert sum(first <= at < first + 1 for at in shown_at[number:]) <= max_hz * (1 + EARLY_S) + 1
    assert all(wait <= 1 / max_hz + min(EARLY_S, 0.5 / max_hz) + ROUNDING for wait in waits)


@pytest.mark.parametrize("tokens_per_s", [10, 30, 35, 40, 50])
def test_what_a_model_says_waits_for_its_next_token_at_most(tokens_per_s: int) -> None:
    _, waits = followed(30, [number / tokens_per_s for number in range(1000)])
    assert max(waits) <= 1 / tokens_per_s + ROUNDING


def test_a_word_that_comes_alone_is_shown_at_once() -> None:
    assert followed(1, [0.0, 5.0, 9.0]) == ([0.0, 5.0, 9.0], [0.0, 0.0, 0.0])


def test_a_burst_is_shown_at_its_beginning_and_once_the_pause_is_over() -> None:
    shown_at, waits = followed(10, [0.0, 0.01, 0.02, 0.03])
    assert shown_at == pytest.approx([0.0, 0.1])
    assert waits == pytest.approx([0.0, 0.09])

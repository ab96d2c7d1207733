"""Pauses between tries."""

from streaming.backoff import backoff_s


def test_the_pause_grows_to_half_a_second_and_no_further_however_long_the_outage() -> None:
    assert all(0.01 <= backoff_s(0) <= 0.02 for _ in range(100))
    assert all(0.25 <= backoff_s(failures) <= 0.5 for failures in range(10, 5000))
    assert len({backoff_s(3) for _ in range(10)}) > 1

"""What a provider's refusals become."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from providers.failures import (
    MAX_MESSAGE_CHARACTERS,
    failure_of_document,
    failure_of_error,
    failure_of_status,
    parse_retry_after,
    presentable,
)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_passing_troubles_may_be_retried(status: int) -> None:
    failure = failure_of_status(status, b"", "7")
    assert failure.retryable
    assert failure.retry_after_s == 7


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_faults_of_the_request_may_not(status: int) -> None:
    failure = failure_of_status(status, b"", "7")
    assert not failure.retryable
    assert failure.retry_after_s is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No such model."}},
        {"error": "No such model."},
        {"message": "No such model."},
        {"detail": "No such model."},
    ],
)
def test_the_providers_words_are_passed_on(body: Any) -> None:
    assert failure_of_status(404, orjson.dumps(body), None).message == (
        "The provider answered with HTTP 404: No such model."
    )


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"\xff", b"[]", b"5", b'{"error": {"message": 5}}'])
def test_a_body_without_words_leaves_the_status(body: bytes) -> None:
    assert failure_of_status(502, body, None).message == "The provider answered HTTP 502."


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"message": "m", "type": "server_error"}, True),
        ({"message": "m", "code": "rate_limit_exceeded"}, True),
        ({"message": "m", "code": 502}, True),
        ({"message": "m", "code": "429"}, True),
        ({"message": "m"}, True),
        ("overloaded", True),
        ({"message": "m", "code": 400}, False),
        ({"message": "m", "type": "invalid_request_error"}, False),
        ({"message": "m", "code": "insufficient_quota"}, False),
        ({"message": "m", "type": "authentication_error"}, False),
        ({"message": "m", "code": "context_length_exceeded"}, False),
    ],
)
def test_an_error_object_is_retryable_unless_the_request_is_at_fault(error: Any, retryable: bool) -> None:
    assert failure_of_error(error).retryable is retryable
    assert failure_of_document(orjson.dumps({"error": error})).retryable is retryable


def test_a_document_that_is_no_error_points_at_the_base_url() -> None:
    failure = failure_of_document(b"<html>Welcome</html>")
    assert "base URL" in failure.message
    assert not failure.retryable


def test_retry_after_takes_seconds_and_dates() -> None:
    in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
    assert parse_retry_after("1.5") == 1.5
    assert parse_retry_after(format_datetime(in_a_minute, usegmt=True)) == pytest.approx(60, abs=2)
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert parse_retry_after("-5") == 0


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "Wed, 99 Oct 2015 07:28:00 GMT"])
def test_a_senseless_retry_after_is_none(value: str | None) -> None:
    assert parse_retry_after(value) is None


def test_a_message_is_one_short_line_without_the_key() -> None:
    long = "bad\nkey\x00 sk-secret " + "x" * 1000
    shown = presentable(long, "sk-secret")
    assert shown.startswith("bad key *** xxx")
    assert len(shown) == MAX_MESSAGE_CHARACTERS
    assert shown.endswith("…")


def test_a_key_at_the_cut_leaves_no_half_behind() -> None:
    assert "sk-" not in presentable("x" * (MAX_MESSAGE_CHARACTERS - 6) + "sk-secret", "sk-secret")


def test_no_key_hides_nothing() -> None:
    assert presentable("as it is", "") == "as it is"

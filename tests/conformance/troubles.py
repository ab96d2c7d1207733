"""What providers do on bad days, told on any wire."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage
from tests.upstream.replies import Reply, Signal
from tests.upstream.wires import Wire

WORDS = (TextDelta("Grüße "), TextDelta("🌍🏽"))
END = ModelFinished(FinishReason.STOP, TokenUsage(11_111, 22_222))
ANSWER: list[ModelEvent] = [*WORDS, END]

Trouble = Callable[[Wire], Reply]

_PAGE = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"


def _status(status: int) -> Trouble:
    return lambda wire: wire.failure(status, "Not now.")


def _page(status: int) -> Trouble:
    return lambda _wire: Reply([_PAGE], status, content_type="text/html")


def _begun(*steps: bytes | float | Signal) -> Trouble:
    return lambda wire: wire.reply(WORDS).then(*steps)


# They end in a failure that may be cured by trying again.
PASSING: dict[str, Trouble] = {
    **{f"status-{status}": _status(status) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)},
    "page-502": _page(502),
    "page-503": _page(503),
    "no-body-500": lambda _wire: Reply([b""], 500),
    "hung-up": lambda _wire: Reply([Signal.CUT]),
    "hung-up-after-headers": lambda wire: Reply([b"", Signal.CUT], content_type=wire.content_type),
    "nothing": lambda wire: Reply([b""], content_type=wire.content_type),
    "cut": _begun(Signal.CUT),
    "no-end": _begun(),
    "silent": _begun(Signal.HANG),
    "error-in-the-midst": lambda wire: wire.reply(WORDS).then(wire.error("Overloaded.")),
    "error-at-once": lambda wire: Reply([wire.error("Overloaded.")], content_type=wire.content_type),
}
# They end in a failure that says that trying again is no use.
LASTING: dict[str, Trouble] = {
    **{f"status-{status}": _status(status) for status in (400, 401, 403, 404, 413, 422)},
    "page-404": _page(404),
}
# They end in some failure.
FATAL: dict[str, Trouble] = {
    "page-200": _page(200),
    "refusal-200": lambda wire: wire.failure(200, "Not now."),
    "malformed": _begun(b'data: {"choices": [{"delta"\n\n'),
    "no-object": _begun(b"data: 5\n\n"),
    "no-text": _begun(b"data: \xff\xfe\n\n"),
    "broken-compression": lambda wire: replace(wire.reply(ANSWER), headers={"Content-Encoding": "gzip"}),
}
# They cost nothing.
HARMLESS: dict[str, Trouble] = {
    "byte-by-byte": lambda wire: wire.reply(ANSWER).in_writes_of(1),
    "cut-anywhere": lambda wire: wire.reply(ANSWER).in_writes_of(7),
    "one-write": lambda wire: wire.reply(ANSWER).in_writes_of(1_000_000),
    "compressed": lambda wire: replace(
        wire.reply(ANSWER), steps=[gzip.compress(wire.reply(ANSWER).body)], headers={"Content-Encoding": "gzip"}
    ),
    "carriage-returns": lambda wire: wire.reply(ANSWER).replacing(b"\n", b"\r\n"),
    "cut-after-the-end": lambda wire: wire.reply(ANSWER).then(Signal.CUT),
}
# They tell of a usage that can't be.
WRONG_USAGE = {
    "negative": b"-5",
    "null": b"null",
    "text": b'"many"',
    "fraction": b"1.5",
    "huge": b"99999999999999999999999",
    "list": b"[]",
}


def with_usage(wire: Wire, count: bytes) -> Reply:
    """An answer in whose usage each count is ``count``."""
    reply = wire.reply(ANSWER)
    for told in (b"11111", b"22222", b"22221", b"33333"):
        reply = reply.replacing(told, count)
    return reply


def in_an_hour() -> str:
    """As an HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


def said(events: list[ModelEvent]) -> str:
    """The text of an answer."""
    assert not any(isinstance(event, ReasoningDelta) for event in events)
    return "".join(event.text for event in events if isinstance(event, TextDelta))

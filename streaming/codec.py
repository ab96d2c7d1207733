"""How events are written down: as rows of the log, and as messages on the bus."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, get_args
from uuid import UUID

import orjson

from core.events import LoggedEvent, RunEventBody, is_text
from streaming.deltas import text_chars
from streaming.subscription import Message

# What an event takes besides its text, roughly; the snapshots in some are a few kB.
_EVENT_BYTES = 1024

# Ids come again with each event of a run and of a step.
_id = lru_cache(maxsize=4096)(UUID)

# The names are stored with the events, so a class that is renamed must stay known by its old name.
_BODIES: dict[str, type[RunEventBody]] = {body.__name__: body for body in get_args(RunEventBody)}


class Undecodable(ValueError):
    """A message is not what `encode_events` wrote; possibly another version of the program did."""


def encode_body(body: RunEventBody) -> tuple[str, str]:
    """The type's name and the fields as JSON, for the log's columns ``type`` and ``payload``.

    Raises:
        TypeError: a JSON value within holds what JSON does not have, or is nested deeper than 254 levels.
    """
    return type(body).__name__, orjson.dumps(body).decode()


def encode_rows(events: Sequence[tuple[LoggedEvent, int | None]]) -> str:
    """Events, each with the epoch in which its run has to be, if that matters, as a JSON list of objects with the log's
    columns.

    Raises:
        TypeError: as `encode_body`.
    """
    rows = [
        {
            "run_id": event.run_id,
            "epoch": epoch,
            "seq": event.seq,
            "first_seq": event.first_seq,
            "step_id": event.step_id,
            "type": type(event.body).__name__,
            "payload": event.body,
            "at": event.at,
        }
        for event, epoch in events
    ]
    return orjson.dumps(rows, default=_plain).decode()


def decode_body(type_name: str, payload: str) -> RunEventBody:
    """What `encode_body` wrote."""
    return _BODIES[type_name](**orjson.loads(payload))


def encode_events(events: Sequence[LoggedEvent]) -> bytes:
    """A message that tells of ``events``: a JSON list of pairs, each the name of the body's type and the event."""
    return orjson.dumps([(type(event.body).__name__, event) for event in events], default=_plain)


class EventsMessage:
    """A message that tells of ``events``: what `encode_events` makes of them, once it is to leave the process."""

    __slots__ = ("_size", "events")

    def __init__(self, events: Sequence[LoggedEvent]) -> None:
        self.events = events
        self._size = _EVENT_BYTES * len(events) + text_chars(events)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return encode_events(self.events)


def decode_events(message: Message) -> Sequence[LoggedEvent]:
    """The events that a message tells of, in their order.

    Raises:
        Undecodable: it is no such message.
    """
    if isinstance(message, EventsMessage):
        return message.events
    try:
        return [_event(type_name, fields) for type_name, fields in orjson.loads(bytes(message))]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Undecodable(repr(error)) from error


def _plain(value: object) -> str:
    """The driver's UUIDs are of a class of its own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value)} is not to be in an event")


def _event(type_name: str, fields: dict[str, Any]) -> LoggedEvent:
    return LoggedEvent(
        run_id=_id(fields["run_id"]),
        seq=fields["seq"],
        first_seq=fields["first_seq"],
        at=datetime.fromisoformat(fields["at"]),
        step_id=_id(fields["step_id"]) if fields["step_id"] else None,
        body=_BODIES[type_name](**fields["body"]),
    )


def storable(body: RunEventBody) -> RunEventBody:
    """``body`` with U+FFFD in place of what PostgreSQL can't store: NUL characters and halves of surrogate pairs.

    Models may say anything, and one character must not cost a run its answer.
    """
    if is_text(body):
        text = _clean_text(body.text)
        return body if text == body.text else type(body)(text)
    values = [getattr(body, name) for name in body.__slots__]
    clean = [_clean(value) for value in values]
    return body if clean == values else type(body)(*clean)


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _clean_text(value)
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case _:
            return value


def _clean_text(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd")

"""Text in pieces: merging those that are adjacent, and what stands of them in the end."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from itertools import compress, groupby
from uuid import UUID

from core.events import LoggedEvent, RunEventBody, RunRewound, TextDelta, is_text

MAX_MERGED_CHARS = 256 * 1024
"""No longer text is made by merging, which bounds the memory that a reader takes."""


def is_delta(event: LoggedEvent) -> bool:
    """Whether it tells of a stretch of text."""
    return is_text(event.body)


def text_chars(events: Iterable[LoggedEvent]) -> int:
    """How much text these events hold together, in characters."""
    return sum(len(event.body.text) for event in events if is_text(event.body))


def merge(earlier: LoggedEvent, later: LoggedEvent) -> LoggedEvent | None:
    """The one delta that says both; None when they must stay apart.

    It covers ``earlier.first_seq`` to ``later.seq``, and happened when ``later`` did.
    """
    return grown(earlier, later.body, later.step_id, later.seq, later.at)


def grown(delta: LoggedEvent, body: RunEventBody, step_id: UUID | None, seq: int, at: datetime) -> LoggedEvent | None:
    """``delta`` with the text of another of the same kind and step, up to number ``seq``; None when it is none."""
    # Most often it is the very same id, and comparing ids takes longer than all else here.
    if type(body) is not type(delta.body) or (delta.step_id is not step_id and delta.step_id != step_id):
        return None
    if is_text(body):
        text: str = delta.body.text + body.text  # type: ignore[union-attr]  # it is of the same kind
        if len(text) <= MAX_MERGED_CHARS:
            return LoggedEvent(delta.run_id, seq, delta.first_seq, at, step_id, type(body)(text))
    return None


def joined(bodies: Iterable[RunEventBody]) -> list[RunEventBody]:
    """The same with stretches of text of one kind as one, or as few as hold `MAX_MERGED_CHARS` each."""
    result: list[RunEventBody] = []
    for kind, alike in groupby(bodies, type):
        stretch = list(alike)
        if is_text(stretch[0]):
            text = "".join([body.text for body in stretch])  # type: ignore[union-attr]
            result += [kind(text[at : at + MAX_MERGED_CHARS]) for at in range(0, len(text), MAX_MERGED_CHARS)]
        else:
            result += stretch
    return result


def extend(events: list[LoggedEvent], more: Iterable[LoggedEvent]) -> None:
    """Add ``more`` at the end of ``events``, merging adjacent deltas."""
    for event in more:
        merged = merge(events[-1], event) if events else None
        if merged is None:
            events.append(event)
        else:
            events[-1] = merged


class StandingText:
    """What a run said: the texts of its ``TextDelta`` events in order, but for those that rewinds took back."""

    def __init__(self, events: Iterable[LoggedEvent] = ()) -> None:
        """``events``: the log's, in order; only text deltas and rewinds matter."""
        # What belongs together stands in the same place of each. Objects for that would be many, and live long, which
        # sets off Python's collector of cycles.
        self._seqs: list[int] = []
        self._step_ids: list[UUID | None] = []
        self._texts: list[str] = []
        for event in events:
            self.add(event)

    def add(self, event: LoggedEvent) -> None:
        """Take the next event into account."""
        self.add_body(event.body, event.step_id, event.seq)

    def add_body(self, body: RunEventBody, step_id: UUID | None, seq: int) -> None:
        """Take what an event says into account. Pieces of a delta that is still growing share one ``seq``."""
        if type(body) is TextDelta:
            self._seqs.append(seq)
            self._step_ids.append(step_id)
            self._texts.append(body.text)
        elif isinstance(body, RunRewound):
            places = zip(self._seqs, self._step_ids, strict=True)
            stand = [said_in != step_id or said_as <= body.to_seq for said_as, said_in in places]
            self._seqs = list(compress(self._seqs, stand))
            self._step_ids = list(compress(self._step_ids, stand))
            self._texts = list(compress(self._texts, stand))

    def of_step(self, step_id: UUID) -> str:
        """What the model said in that step."""
        return "".join(compress(self._texts, [said_in == step_id for said_in in self._step_ids]))

    def sha256(self) -> str:
        """Lower-case hex, over the UTF-8 of all of it."""
        return sha256("".join(self._texts).encode()).hexdigest()

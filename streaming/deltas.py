"""Text in pieces: merging those that are adjacent, and what stands of them in the end."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from itertools import chain
from uuid import UUID

from core.events import LoggedEvent, ReasoningDelta, RunEventBody, RunRewound, TextDelta

MAX_MERGED_CHARS = 256 * 1024
"""No longer text is made by merging, which bounds the memory that a reader takes."""


def is_delta(event: LoggedEvent) -> bool:
    """Whether it is a stretch of text, which may be merged with its neighbours."""
    return isinstance(event.body, TextDelta | ReasoningDelta)


def text_chars(events: Iterable[LoggedEvent]) -> int:
    """How much text these events hold together, in characters."""
    return sum(len(event.body.text) for event in events if isinstance(event.body, TextDelta | ReasoningDelta))


def merge(earlier: LoggedEvent, later: LoggedEvent) -> LoggedEvent | None:
    """The one delta that says both; None when they must stay apart.

    It covers ``earlier.first_seq`` to ``later.seq``, and happened when ``later`` did.
    """
    return grown(earlier, later.body, later.step_id, later.seq, later.at)


def grown(delta: LoggedEvent, body: RunEventBody, step_id: UUID | None, seq: int, at: datetime) -> LoggedEvent | None:
    """``delta`` with the text of another of the same kind and step, up to number ``seq``; None when it is none."""
    kind = type(body)
    # Most often it is the very same id, and comparing ids takes longer than all else here.
    if kind is not type(delta.body) or (delta.step_id is not step_id and delta.step_id != step_id):
        return None
    # Asked for the kind of every token that comes, so in the quickest way there is.
    if kind is TextDelta or kind is ReasoningDelta:
        text: str = delta.body.text + body.text  # type: ignore[union-attr]
        if len(text) <= MAX_MERGED_CHARS:
            return LoggedEvent(delta.run_id, seq, delta.first_seq, at, step_id, kind(text))
    return None


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
        self._pieces: list[tuple[int, UUID | None, list[str]]] = []
        for event in events:
            self.add(event)

    def add(self, event: LoggedEvent) -> None:
        """Take the next event into account."""
        self.add_body(event.body, event.step_id, event.seq)

    def add_body(self, body: RunEventBody, step_id: UUID | None, seq: int) -> None:
        """Take what an event says into account. Pieces of a delta that is still growing share one ``seq``."""
        if type(body) is TextDelta:
            newest = self._pieces[-1] if self._pieces else None
            if newest is not None and newest[0] == seq and newest[1] is step_id:
                newest[2].append(body.text)
            else:
                self._pieces.append((seq, step_id, [body.text]))
        elif isinstance(body, RunRewound):
            self._pieces = [piece for piece in self._pieces if piece[1] != step_id or piece[0] <= body.to_seq]

    def of_step(self, step_id: UUID) -> str:
        """What the model said in that step."""
        return "".join(chain.from_iterable(texts for _, said_in, texts in self._pieces if said_in == step_id))

    def sha256(self) -> str:
        """Lower-case hex, over the UTF-8 of all of it."""
        return sha256("".join(chain.from_iterable(texts for _, _, texts in self._pieces)).encode()).hexdigest()

"""What the decoders of streamed answers have in common, whatever the format of their events."""

from abc import ABC, abstractmethod

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TokenUsage
from providers.failures import MAX_DOCUMENT_BYTES, failure_of_document
from providers.sse import EventStreamDecoder
from providers.tool_calls import ToolCallAssembler

# A body that begins so is no event stream: an error in JSON, or a web page.
_DOCUMENT_STARTS = (b"{", b"[", b"<", b'"')


class AnswerDecoder(ABC):
    """Turns the body of one streamed answer, cut anywhere, into its events.

    Feed it the bytes as they come, stop when it is ``done``, and ``close`` it when the body ends. It appends events to
    a list of the caller's, where they stay if something fails behind them. ``complete`` says that the model has
    finished, so that a connection that breaks from then on has cost at most the usage.
    """

    def __init__(self) -> None:
        self.done = False
        self._sse = EventStreamDecoder()
        self._document: bytearray | None = None
        self._begun = False
        self._calls = ToolCallAssembler()
        self._reason: FinishReason | None = None
        self._usage: TokenUsage | None = None

    @property
    def complete(self) -> bool:
        return self._reason is not None

    def feed(self, chunk: bytes, events: list[ModelEvent]) -> None:
        """Append the events that ``chunk`` completes.

        Raises:
            ProviderFailed: an error object came, or something that is not this protocol.
        """
        if not self._begun and (start := chunk.lstrip()):
            self._begun = True
            self._document = bytearray() if start.startswith(_DOCUMENT_STARTS) else None
        if self._document is not None:
            self._document += chunk[: MAX_DOCUMENT_BYTES - len(self._document)]
            return
        for data in self._sse.feed(chunk):
            if not self.done:
                self._take(data, events)

    def close(self, events: list[ModelEvent]) -> None:
        """The body is over: append what is left, ``ModelFinished`` at the latest.

        Raises:
            ProviderFailed: it ended before the model did, or was no event stream at all.
        """
        if self._document is not None:
            raise failure_of_document(bytes(self._document))
        for data in self._sse.close():
            if not self.done:
                self._take(data, events)
        if not self.complete and not self.done:
            raise ProviderFailed("The provider's answer broke off.", retryable=True)
        self._finish(events)

    @abstractmethod
    def _take(self, data: bytes, events: list[ModelEvent]) -> None:
        """Append the events in the data of one event of the stream."""

    def _finish(self, events: list[ModelEvent]) -> None:
        """End the answer, once. Without a reason the provider's word that all is well stands for it."""
        if self.done:
            return
        self.done = True
        calls, reason = self._calls.finish(self._reason or FinishReason.STOP)
        events += calls
        events.append(ModelFinished(reason, self._usage))

"""Server-sent events, as the HTML standard parses them: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Model providers use only the ``data`` field, so the others (``event``, ``id``, ``retry``) and comments are dropped.
"""

from core.errors import ProviderFailed

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventStreamDecoder:
    """Turns the bytes of one ``text/event-stream`` body, cut anywhere, into the data of its events."""

    def __init__(self) -> None:
        self._line_start = b""
        self._data: list[bytes] = []
        self._pending_bytes = 0
        self._after_carriage_return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that ``chunk`` completes, its lines joined by newlines.

        Raises:
            ProviderFailed: one event is larger than ``MAX_EVENT_BYTES``.
        """
        if self._after_carriage_return and chunk.startswith(b"\n"):  # the second half of a CRLF
            chunk = chunk[1:]
        completed: list[bytes] = []
        if not chunk:
            return completed
        self._after_carriage_return = chunk.endswith(b"\r")
        self._pending_bytes += len(chunk)
        lines = (self._line_start + chunk).splitlines()
        self._line_start = b"" if chunk.endswith((b"\r", b"\n")) else lines.pop()
        data = self._data
        for line in lines:
            if not line:
                self._pending_bytes = 0
                if data:
                    completed.append(b"\n".join(data))
                    data.clear()
            elif line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
        # What came before the one without end is told first.
        if self._pending_bytes > MAX_EVENT_BYTES and not completed:
            raise ProviderFailed("The provider sent an event without end.", retryable=False)
        return completed

    def close(self) -> list[bytes]:
        """The body is over: a last event that lacks its blank line, as careless servers send it, or none."""
        self._after_carriage_return = False
        return self.feed(b"\n\n" if self._line_start else b"\n")

"""Server-sent events, as the HTML standard parses them: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Model providers use only the ``data`` field, so the others (``event``, ``id``, ``retry``) and comments are dropped.
"""

from collections.abc import Iterator

from core.errors import ProviderFailed

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventStreamDecoder:
    """Turns the bytes of one ``text/event-stream`` body, cut anywhere, into the data of its events."""

    def __init__(self) -> None:
        self._line_start = b""
        self._data: list[bytes] = []
        self._pending_bytes = 0
        self._after_carriage_return = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of each event that ``chunk`` completes, its lines joined by newlines.

        Raises:
            ProviderFailed: one event is larger than ``MAX_EVENT_BYTES``.
        """
        if self._after_carriage_return and chunk.startswith(b"\n"):  # the second half of a CRLF
            chunk = chunk[1:]
        if not chunk:
            return
        self._after_carriage_return = chunk.endswith(b"\r")
        self._pending_bytes += len(chunk)
        lines = (self._line_start + chunk).splitlines()
        self._line_start = b"" if chunk.endswith((b"\r", b"\n")) else lines.pop()
        for line in lines:
            if line:
                self._take(line)
            else:
                yield from self._dispatch()
        if self._pending_bytes > MAX_EVENT_BYTES:
            raise ProviderFailed("The provider sent an event without end.", retryable=False)

    def close(self) -> Iterator[bytes]:
        """The body is over: yield a last event that lacks its blank line, as careless servers send it."""
        if self._line_start:
            self._take(self._line_start)
            self._line_start = b""
        yield from self._dispatch()

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])

    def _dispatch(self) -> Iterator[bytes]:
        self._pending_bytes = 0
        if self._data:
            data = b"\n".join(self._data)
            self._data.clear()
            yield data

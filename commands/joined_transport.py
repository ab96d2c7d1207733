"""A transport that sends together what is written in one turn of the event loop."""

import asyncio
from typing import Any

LARGE_BYTES = 16 * 1024
"""What has this size is worth a write of its own."""


class JoinedTransport:
    """Sends to the transport ``whole``, at the end of the turn. The head of an answer so leaves with its body, and what
    many connections have to say leaves right after one another: a write costs most where it has to wake who reads it,
    and who reads several of them is woken once.
    """

    def __init__(self, whole: asyncio.Transport) -> None:
        self.whole = whole
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def write(self, data: bytes) -> None:
        """What else a transport is told comes after it, but for ``abort``."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        if len(data) > LARGE_BYTES:
            self._send()

    def get_write_buffer_size(self) -> int:
        return self.whole.get_write_buffer_size() + sum(map(len, self._parts))

    def write_eof(self) -> None:
        self._send()
        self.whole.write_eof()

    def close(self) -> None:
        self._send()
        self.whole.close()

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        # It may have broken in the course of the turn, and uvloop's transports raise for what comes after their end.
        if parts and not self.whole.is_closing():
            self.whole.write(b"".join(parts))

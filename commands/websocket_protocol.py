"""uvicorn's WebSockets, for peers that break the protocol (https://www.rfc-editor.org/rfc/rfc6455) or do not read."""

import asyncio
import struct
from typing import Any

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from commands.joined_transport import JoinedTransport
from schema.sockets import TEXT_AT_ONCE

CLOSE_TIMEOUT_S = 5.0
"""How long a peer has to take the close frame and to answer it."""


_TEXT = 0x80 | Opcode.TEXT
_UP_TO_125, _UP_TO_16_BITS, _UP_TO_64_BITS = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")


def text_frame(data: bytes) -> bytes:
    """A server's frame with a whole text message, UTF-8: https://www.rfc-editor.org/rfc/rfc6455#section-5.2."""
    size = len(data)
    if size < 126:
        return _UP_TO_125.pack(_TEXT, size) + data
    if size < 1 << 16:
        return _UP_TO_16_BITS.pack(_TEXT, 126, size) + data
    return _UP_TO_64_BITS.pack(_TEXT, 127, size) + data


class Config(uvicorn.Config):
    """uvicorn's, and how long a client may take nothing of what is sent to it, in seconds."""

    def __init__(self, app: Any, stalled_client_timeout_s: float, **options: Any) -> None:
        super().__init__(app, **options)
        self.stalled_client_timeout_s = stalled_client_timeout_s


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that tells its peer why it closes, and that holds little memory whatever the peer does."""

    config: Config

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = CLOSE_TIMEOUT_S
        self._late_pong: list[bytes] = []
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        joined: Any = JoinedTransport(transport)
        super().connection_made(joined)

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is not None:
            return  # It failed, and reads on only to see the peer's end of it.
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The request could not be parsed. Its refusal lies ready, and uvicorn would never send it.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        # Joined at once: a list of empty fragments would grow for ever, as they never add up to a message too big.
        whole: Any = self.frames[0] if isinstance(self.frames[0], bytearray) else bytearray(self.frames[0])
        whole += event.data
        self.frames = [whole]
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(CloseCode.INVALID_DATA, "Text must be UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Close for a breach of the WebSocket protocol, with the code that the parser chose."""
        close = self.conn.close_sent
        if close is None:  # It came before the handshake's end, so there is no WebSocket yet that could be closed.
            self.disconnected = True
            self.transport.abort()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        # Section 7.1.1: to close with input unread resets the connection, and the peer would never see the close frame.
        self.transport.write_eof()
        self.transport.resume_reading()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        # Nobody is there to read a close frame; and 1011, should it arrive after all, has clients give up for good.
        self.transport.abort()

    def shutdown(self) -> None:
        """The server stops: tell the peer to go on elsewhere."""
        if not self.handshake_complete:
            super().shutdown()
        elif self.conn.state is State.OPEN:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SERVICE_RESTART})
            self.conn.send_close(CloseCode.SERVICE_RESTART, "The server restarts")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.resume_reading()
            self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    async def run_asgi(self) -> None:
        extensions: Any = self.scope["extensions"]
        extensions[TEXT_AT_ONCE] = self.send_text_at_once
        try:
            await super().run_asgi()
        finally:
            # Otherwise the connection, its scope and this would keep each other.
            del extensions[TEXT_AT_ONCE]

    def send_text_at_once(self, text: bytes) -> bool:
        """Send a text message, UTF-8, if that takes no waiting; whether it did."""
        may_send = self.writable.is_set() and not self.close_sent and self._may_send_plainly()
        if may_send:
            self.transport.write(text_frame(text))
        return may_send

    async def send(self, message: Any) -> None:
        if not self.writable.is_set():
            await self.writable.wait()
        if self.close_sent:
            # Of a close that it did not ask for, the application hears only after the messages that came before.
            raise ClientDisconnected
        text = message.get("text") if message["type"] == "websocket.send" and message.get("bytes") is None else None
        if text is None or not self.send_text_at_once(text.encode()):
            await super().send(message)

    def _may_send_plainly(self) -> bool:
        """Whether all that is left to do for a text is to put it into a frame; the base class knows of the rest."""
        conn = self.conn
        return (
            self.handshake_complete
            and conn.state is State.OPEN
            and not (self.disconnected or self.initial_response or conn.extensions or conn.writes or conn.debug)
        )

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:  # Section 5.5.3: the latest may stand for all, which would pile up while the peer does not read.
            self._late_pong = self.conn.data_to_send()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall()

    def _watch_stall(self) -> None:
        """The kernel's own timer starts anew with whatever arrives, so a peer may put it off without reading a byte."""
        timeout_s, size = self.config.stalled_client_timeout_s, self.transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(timeout_s, self._check_stall, size)

    def _check_stall(self, size: int) -> None:
        if self.transport.get_write_buffer_size() < size:
            self._watch_stall()
        else:
            self.transport.abort()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer:
            self._stall_timer.cancel()
            self._stall_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_stall_timer()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall_timer()
        if self._late_pong and not self.transport.is_closing():
            self.transport.write(b"".join(self._late_pong))
        self._late_pong = []

"""WebSockets below their messages: frames that break the protocol, messages that are too large, and anything at all."""

import asyncio
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.requests import MAX_BODY_BYTES
from tests.e2e.frames import Opcode, frame, message, wire
from tests.servers.app import Server

PING = message(type="ping")
TOO_LARGE = MAX_BODY_BYTES + 1


def compressed(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]


def in_fragments(data: bytes, size: int) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    opcodes = [Opcode.TEXT, *[Opcode.CONTINUATION] * (len(pieces) - 1)]
    return [
        frame(opcode, piece, fin=number == len(pieces))
        for number, (opcode, piece) in enumerate(zip(opcodes, pieces, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("code", "frames"),
    [
        (1007, [frame(Opcode.TEXT, b"\xff\xfe")]),
        (1007, [frame(Opcode.TEXT, b'{"type": "\xe2\x82', fin=False), frame(Opcode.CONTINUATION, b'"}')]),
        (1000, [frame(Opcode.TEXT, b"\xff"), frame(Opcode.CLOSE, b"\x03\xe8")]),
        (1002, [frame(Opcode.TEXT, b"{}", masked=False)]),
        (1002, [frame(3, b"{}")]),
        (1002, [frame(Opcode.CONTINUATION, b"{}")]),
        (1002, [frame(Opcode.TEXT, b"{", fin=False), frame(Opcode.TEXT, b"}")]),
        (1002, [frame(Opcode.PING, bytes(126))]),
        (1002, [frame(Opcode.PING, fin=False)]),
        (1002, [frame(Opcode.CLOSE, b"\x00")]),
        (1002, [frame(Opcode.TEXT, compressed(bytes(MAX_BODY_BYTES)), reserved=4)]),
        (1009, [frame(Opcode.TEXT, b" " * TOO_LARGE)]),
        (1009, [frame(Opcode.BINARY, b" " * TOO_LARGE)]),
        (1009, in_fragments(b" " * TOO_LARGE, 100_000)),
        (1009, [frame(Opcode.TEXT, b" " * TOO_LARGE), *[PING] * 10_000]),
        (4400, [frame(Opcode.BINARY, b"{}")]),
        (4400, [frame(Opcode.BINARY, b"{", fin=False), frame(Opcode.CONTINUATION, b"}")]),
        (4400, [frame(Opcode.TEXT, b"[]"), *[PING] * 10_000]),
        (1007, [frame(Opcode.TEXT, b"[]"), frame(Opcode.TEXT, b"\xff"), PING]),
        (1000, [frame(Opcode.CLOSE, b"\x03\xe8")]),
    ],
)
async def test_a_breach_of_the_protocol_is_told_by_its_code(server: Server, code: int, frames: list[bytes]) -> None:
    async with wire(server.url) as connection:
        await connection.initialise()
        sending = asyncio.create_task(connection.send(*frames))
        try:
            assert await connection.close_code() == code
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def test_a_message_as_large_as_may_be_is_taken_however_it_is_cut(server: Server) -> None:
    body = json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}).encode()
    body += b" " * (MAX_BODY_BYTES - len(body))
    async with wire(server.url) as connection:
        await connection.initialise()
        for frames in ([frame(Opcode.TEXT, body)], in_fragments(body, 50_000)):
            await connection.send(*frames)
            answer = await connection.next_message()
            assert answer["payload"]["data"] == {"__typename": "Query"}
            assert await connection.next_message() == {"type": "complete", "id": "1"}


async def test_empty_fragments_come_to_nothing(server: Server) -> None:
    async with wire(server.url) as connection:
        await connection.initialise()
        empty = [frame(Opcode.CONTINUATION, fin=False)] * 50_000
        await connection.send(frame(Opcode.TEXT, b'{"type": ', fin=False), *empty)
        await connection.send(frame(Opcode.CONTINUATION, b'"ping"}'))
        assert await connection.next_message() == {"type": "pong"}


async def test_no_compression_is_agreed_on(server: Server) -> None:
    async with wire(server.url) as connection:
        head = await connection.shake_hands(headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    assert head.startswith("HTTP/1.1 101 ")
    assert "permessage-deflate" not in head


async def test_a_handshake_beyond_the_limits_is_refused_and_does_not_hang(server: Server) -> None:
    async with wire(server.url) as connection:
        head = await asyncio.wait_for(connection.shake_hands(headers=f"Cookie: {'x' * 10_000}\r\n"), 30)
    assert head.startswith("HTTP/1.1 431 ")


async def test_frames_that_do_not_wait_for_the_handshake_harm_nobody(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for early in (frame(3), frame(Opcode.TEXT, b"\xff"), PING, frame(Opcode.CLOSE)):
        async with wire(server.url) as connection:
            shaking = asyncio.create_task(connection.shake_hands())
            await asyncio.sleep(0)
            await connection.send(early)
            await asyncio.gather(shaking, return_exceptions=True)
    assert await is_well(server)
    assert not caplog.records


async def is_well(server: Server) -> bool:
    async with wire(server.url) as connection:
        await connection.initialise()
        await connection.send(PING)
        return bool(await connection.next_message() == {"type": "pong"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
near_messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["connection_init", "connection_ack", "ping", "pong", "subscribe", "next", "error", "complete"]
        )
        | json_values,
        "id": st.sampled_from(["1", "2", ""]) | json_values,
        "payload": json_values
        | st.fixed_dictionaries(
            {"query": st.sampled_from(["{ __typename }", "{", "", "subscription { nothing }"]) | json_values},
            optional={"variables": json_values, "operationName": json_values, "extensions": json_values},
        ),
    },
)
text_frames = (json_values | near_messages).map(lambda value: frame(Opcode.TEXT, json.dumps(value).encode()))
any_frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=150),
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, False]),
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(init=st.booleans(), frames=st.lists(text_frames | any_frames, min_size=1, max_size=8))
async def test_whatever_is_sent_the_socket_lives_or_ends_with_a_code_of_the_protocols(
    server: Server, init: bool, frames: list[bytes]
) -> None:
    async with wire(server.url) as connection:
        assert (await connection.shake_hands()).startswith("HTTP/1.1 101 ")
        if init:
            await connection.send(message(type="connection_init"))
        await connection.send(*frames, frame(Opcode.CONTINUATION), frame(Opcode.CLOSE, b"\x03\xe8"))
        # A frame that closes without a code is answered by one without.
        assert await connection.close_code() in {1000, 1002, 1005, 1007, 4400, 4401, 4403, 4409, 4429}

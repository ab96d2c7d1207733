"""Taking a port."""

import socket

import pytest

from commands.serve import address_of, listen
from commands.terminal import CommandFailed


def test_a_taken_port_is_a_clear_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Port {port} is taken"):
            listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_a_clear_failure() -> None:
    with pytest.raises(CommandFailed, match=r"Can't listen on 203\.0\.113\.1, port 0"):
        listen("203.0.113.1", 0)


@pytest.mark.parametrize(("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_its_address_is_a_url(host: str, start: str) -> None:
    with listen(host, 0) as listener:
        assert address_of(listener) == f"{start}{listener.getsockname()[1]}"

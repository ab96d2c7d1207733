"""Telling connections from one another."""

import socket

from tests.upstream.connections import Ports, established


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def connection(to: socket.socket, port: int = 0) -> socket.socket:
    """One to ``to``, from ``port``, even if another goes out from there to elsewhere."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    client.bind(("127.0.0.1", port))
    client.connect(to.getsockname())
    return client


def ports(client: socket.socket) -> Ports:
    return client.getsockname()[1], client.getpeername()[1]


def test_a_closed_connection_is_gone_although_another_goes_out_from_the_same_port() -> None:
    with listener() as server, listener() as other_server, connection(server) as client:
        both = ports(client)
        with connection(other_server, both[0]) as other_client:
            assert {both, ports(other_client)} <= established()
            client.close()
            assert both not in established()
            assert ports(other_client) in established()

"""The TCP connections of a process, as the system sees them."""

import psutil

Ports = tuple[int, int]
"""Of a connection, seen from one of its ends: its own port and the other end's. Its own alone would not do: others may
go out from the same port, to other servers.
"""


def established(pid: int | None = None) -> set[Ports]:
    """Those that neither end has closed of the process ``pid``, by default this one."""
    return {
        (connection.laddr.port, connection.raddr.port)
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
    }

"""The TCP connections of this process, as the system sees them."""

from pathlib import Path


def established_ports() -> set[int]:
    """The local ports of all TCP connections here that neither side has closed (state 01, proc(5))."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "01"}

"""Starting what is measured, and reading from /proc what it uses."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
START_TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")

Process = subprocess.Popen[bytes]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[Process]:
    """A command, terminated at the end of the block. What it writes is added to the file ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def run(command: list[str], **environment: str) -> None:
    """A command, to its end. Raises CalledProcessError when that is a failure."""
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True)


def await_status_200(process: Process, port: int, path: str) -> None:
    """Returns once the server answers; raises RuntimeError when it ends, or does not within a minute."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} does not serve.")


@contextmanager
def loading(kind: str, **job: Any) -> Iterator[Process]:
    """The load generator at a job, see `benchmarks.load`; it is ended at the end of the block if it still runs."""
    command = [PYTHON, "-m", "benchmarks.load"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(orjson.dumps({"kind": kind, **job}) + b"\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def outcome(process: Process, timeout_s: float = LOAD_TIMEOUT_S) -> dict[str, Any]:
    """What came of the load generator's job. Raises CalledProcessError when something was wrong."""
    output, _ = process.communicate(timeout=timeout_s)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    result: dict[str, Any] = orjson.loads(output)
    return result


def load(kind: str, **job: Any) -> dict[str, Any]:
    """Have the load generator do a job to its end. Raises CalledProcessError when something was wrong."""
    with loading(kind, **job) as process:
        return outcome(process)


def cpu_s(pid: int) -> float:
    """What a process, with all its children past and present, has used, in seconds (in steps of 0.01)."""
    while True:
        try:
            return _ticks(pid) / _TICKS
        except (FileNotFoundError, ProcessLookupError):
            # A child has just ended, and its parent's count of those that have was read before.
            _stat(pid)


def _ticks(pid: int) -> int:
    return sum(_stat(pid)[11:15]) + sum(_ticks(child) for child in _children(pid))


def rss_mb(pid: int) -> float:
    """The memory that a process with its children holds at this moment, in MB of 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(rss_mb(child) for child in _children(pid))


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat from the third field on, of which 14 to 17 are times: see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *(int(field) for field in fields[1:])]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def interpreter_speed() -> Mapping[str, float]:
    """How long a fixed piece of work takes, in seconds of CPU (how fast the machine is) and by the clock (how busy)."""
    cpu, wall = time.process_time(), time.perf_counter()
    total = 0
    for number in range(1_500_000):
        total += number & 7
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}

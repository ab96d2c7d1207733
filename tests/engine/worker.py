"""A process that executes runs, and is there to be killed: ``python -m tests.engine.worker DATABASE_URL REDIS_URL``.

It prints a line once it takes runs, and ends in good order when its input ends.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.events import ModelEvent
from models import database
from providers.port import ModelRequest
from providers.scripted import Script
from streaming.bus import Bus
from tests.engine.lab import executing, saying
from tests.upstream.replies import numbered_tokens

ROOT = Path(__file__).parents[2]


async def deadly(_request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """Takes the whole process with it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")
    yield


SCRIPTS: dict[str, Script] = {
    "short": saying("a", "b", "c", pause_s=0.01),
    "long": saying(*numbered_tokens(60), pause_s=0.03),
    "deadly": deadly,
}


@asynccontextmanager
async def working(url: str, redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a process, in the midst of its work; killed at the end of the block, if it still lives."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engine.worker", url, redis_url),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def main(url: str, redis_url: str) -> None:
    await database.connect(url, pool_size=10)
    bus = Bus.from_url(redis_url)
    async with bus, executing(url, bus, SCRIPTS):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

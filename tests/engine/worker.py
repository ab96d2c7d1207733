"""A process that executes runs, and is there to be killed: ``python -m tests.engine.worker DATABASE_URL REDIS_URL``.

It prints a line once it takes runs, and ends in good order when its input ends. With ``--supervised`` it has a child do
all that, and another one whenever a child is killed.
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
async def working(
    url: str, redis_url: str, *options: str, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a process, in the midst of its work; killed at the end of the block, if it still lives.

    ``environment`` holds settings of its own.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engine.worker", url, redis_url, *options),
        cwd=ROOT,
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        assert process.stdin is not None
        # A child of its own ends by that.
        process.stdin.close()
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


def supervise(url: str, redis_url: str) -> None:
    """Forks, as that spares each child the seconds that the imports take."""
    while (child := os.fork()) and os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        pass
    if not child:
        asyncio.run(main(url, redis_url))


if __name__ == "__main__":
    if sys.argv[3:] == ["--supervised"]:
        supervise(*sys.argv[1:3])
    else:
        asyncio.run(main(*sys.argv[1:3]))

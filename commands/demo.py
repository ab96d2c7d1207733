"""`synapse demo`: the product's main job from end to end, on a server that is gone afterwards."""

import asyncio
import sys
from argparse import Namespace
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from commands.chat import ask_once
from commands.defaults import LOCAL_MODEL, READY
from commands.signals import run_until_stopped
from commands.terminal import CommandFailed, say

MESSAGE = "What is a synapse? Answer in two sentences."


def run(arguments: Namespace) -> int:
    return 0 if run_until_stopped(_demonstrate) else 1


async def _demonstrate() -> bool:
    with TemporaryDirectory(prefix="synapse-demo-") as folder:
        say("A server of its own, for this demonstration:")
        async with _server(folder) as address:
            say(f"  listening on {address}\n\nA client, by GraphQL alone:")
            visitor = Namespace(url=address, sign_up=True, email=None, password=None, model=LOCAL_MODEL)
            succeeded = await ask_once(visitor, MESSAGE)
            say("\nStopping the server ...")
    return succeeded


@asynccontextmanager
async def _server(folder: str) -> AsyncIterator[str]:
    """The address of a `synapse dev` that keeps its data in ``folder`` and runs within the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cli", "dev", "--data", folder, "--port", "0"), stdin=DEVNULL, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield await _address(process.stdout)
    finally:
        if process.returncode is None:
            process.terminate()
        # What it says after the address is for people; unread it would fill the pipe, and block.
        await process.communicate()


async def _address(output: asyncio.StreamReader) -> str:
    async for line in output:
        text = line.decode().rstrip()
        if text.startswith(READY):
            return text.removeprefix(READY)
        say(f"  {text}" if text else "", end="\n" if text else "")
    raise CommandFailed("The server did not start.")

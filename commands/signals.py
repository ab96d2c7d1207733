"""Stopping in good order when the terminal or the system asks for it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

import uvloop

from commands.terminal import CommandFailed

T = TypeVar("T")

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(main: Callable[[], Coroutine[Any, Any, T]], *, second_kills: bool = False) -> T | None:
    """Runs ``main`` on a uvloop until it returns or one of `STOP_SIGNALS` cancels it. What it returned, or None
    when it was cancelled.

    The first signal is the last one that counts: from then on this process and the children that it starts ignore
    them, so that an impatient second Ctrl-C leaves nothing half cleaned up. With ``second_kills`` the second one ends
    the process at once: for one that leaves nothing behind but what others take over.
    """
    stopped = False
    afterwards = signal.SIG_DFL if second_kills else signal.SIG_IGN

    async def supervised() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal stopped
            stopped = True
            for each in STOP_SIGNALS:
                signal.signal(each, afterwards)
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        for each in STOP_SIGNALS:
            # nohup lets a process outlive its terminal by having it ignore one of them.
            if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, stop)
        return await main()

    try:
        return uvloop.run(supervised())
    except (asyncio.CancelledError, CommandFailed):
        # A terminal's Ctrl-C reaches child processes too, and one that fails of it has no more to tell.
        if not stopped:
            raise
        return None

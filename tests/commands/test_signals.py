"""Stopping by signals, in a process of their own."""

import signal
import sys
from subprocess import PIPE, Popen

PROGRAM = """
import asyncio, sys
from commands.signals import run_until_stopped

async def main():
    try:
        print("running", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaning up", flush=True)
        await asyncio.sleep(0.3)
        print("clean", flush=True)

print("returned", run_until_stopped(main), flush=True)
"""


def test_the_first_ctrl_c_stops_in_good_order_and_the_next_ones_do_not_disturb_that() -> None:
    with Popen([sys.executable, "-c", PROGRAM], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "cleaning up\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=30)
    assert rest == "clean\nreturned None\n"
    assert complaints == ""
    assert process.returncode == 0

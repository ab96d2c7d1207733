"""Stopping by signals, in a process of their own."""

import signal
import sys
from subprocess import PIPE, Popen

import pytest

PROGRAM = """
import asyncio, sys
from commands.signals import run_until_stopped

async def main():
    try:
        print("running", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaning up", flush=True)
        await asyncio.sleep(0.3 if len(sys.argv) == 1 else 60)
        print("clean", flush=True)

print("returned", run_until_stopped(main, second_kills=len(sys.argv) > 1), flush=True)
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


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_where_so_wanted_the_second_signal_ends_the_process_at_once(second: signal.Signals) -> None:
    with Popen([sys.executable, "-c", PROGRAM, "second kills"], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "cleaning up\n"
        process.send_signal(second)
        rest, _ = process.communicate(timeout=30)
    assert rest == ""
    assert process.returncode == -second

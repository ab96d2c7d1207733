"""A process that finishes one step of a run, hangs in the next, and is there to be killed.

``python -m tests.engine.doomed_executor DATABASE_URL EXECUTOR_ID RUN_ID`` prints a line when it hangs.
"""

import asyncio
import os
import sys

from engine.durable import DurableEngine, step


async def finish_first_step() -> int:
    return os.getpid()


async def hang() -> None:
    sys.stdout.write("hanging\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def run_agent(run_id: str) -> None:
    await step("first", finish_first_step)
    await step("second", hang)


async def main(database_url: str, executor_id: str, run_id: str) -> None:
    engine = DurableEngine(database_url, executor_id, run_agent)
    await engine.open()
    execution = await engine.start(run_id)
    assert execution is not None
    await execution


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

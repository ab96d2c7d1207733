"""A workspace that asks for more than there is, and another one that asks for little."""

import asyncio
from datetime import datetime

from tests.accounts import Member, sign_up
from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.client import Json
from tests.operations import complete_run, create_agent, finish, start_run
from tests.upstream.replies import numbered_tokens, text

WAIT_S = 1.0
# At once, by the one who floods. Answers take longer than that many callers need to start others.
CALLERS = 20
FLOODING_ANSWER = text(*numbered_tokens(15)).pausing(0.1)
PAUSE_S = 0.1


async def test_a_flood_of_runs_delays_no_other_workspace(experiment: Experiment, flood: int) -> None:
    async with experiment.load() as load:
        flooding, quiet = [await sign_up(load.balancer.address()) for _ in range(2)]
        slow = await create_agent(flooding, f"openai_compatible/{load.cluster.upstream.serve(FLOODING_ANSWER)}")
        quick = await create_agent(quiet)
        waits_s: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(start_and_finish(flooding, slow, flood))
            while not draining.done():
                waits_s.append(waited_s(await complete_run(quiet, quick)))
                await asyncio.sleep(PAUSE_S)
        assert max(map(waited_s, draining.result())) > max(waits_s), "there was a queue to wait in"
    experiment.figures.waited_beside_a_flood_s += waits_s
    assert not load.client_errors
    experiment.judge("waiting beside a flood", percentile(waits_s, 99), WAIT_S)


async def start_and_finish(member: Member, agent: Json, count: int) -> list[Json]:
    """So many runs, started as fast as may be; the last of them, once they are over."""
    room = asyncio.Semaphore(CALLERS)

    async def start() -> Json:
        async with room:
            return await start_run(member, agent)

    runs = await asyncio.gather(*(start() for _ in range(count)))
    last = sorted(runs, key=lambda run: str(run["createdAt"]))[-CALLERS:]
    return [await finish(member, run) for run in last]


def waited_s(run: Json) -> float:
    """From its start by the API to its start by a worker, in seconds."""
    created, started = (datetime.fromisoformat(run[name]) for name in ("createdAt", "startedAt"))
    return (started - created).total_seconds()

"""Workers that die and workers that freeze."""

import asyncio
import signal

from tests.chaos.cluster import ports_of
from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.chaos.load import Accepted, Load
from tests.operations import CANCEL_RUN, answer
from tests.servers.command import Command

RESUMED_WITHIN_S = 2.0
FROZEN_S = 3.0


def busy_worker(load: Load) -> tuple[Command, list[Accepted]]:
    """One of the workers that listen to the provider right now, and the runs that it does that for."""
    speaking = load.speaking()
    by_worker = {
        worker: [accepted for accepted, exchange in speaking if exchange.peer[1] in ports_of(worker)]
        for worker in load.cluster.workers
    }
    worker = load.rng.choice([worker for worker, runs in by_worker.items() if runs])
    return worker, by_worker[worker]


async def kill_one(load: Load) -> float:
    """Kill a busy worker and replace it; the seconds until the provider was asked again for the last of its runs."""
    worker, interrupted = busy_worker(load)
    asked = {accepted.message: len(load.exchanges(accepted)) for accepted in interrupted}
    clock = asyncio.get_running_loop().time
    killed_at = clock()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.cluster.replace_worker(worker, signal.SIGKILL))
        await load.until(lambda: all(len(load.exchanges(run)) > asked[run.message] for run in interrupted))
        took_s = clock() - killed_at
    return took_s


async def test_answers_go_on_elsewhere_soon_after_a_worker_was_killed(experiment: Experiment, kills: int) -> None:
    took_s: list[float] = []
    for _ in range(kills):
        async with experiment.load() as load:
            took_s.append(await kill_one(load))
        assert not load.client_errors, "no client notices"
    experiment.figures.resumed_after_kill_s += took_s
    experiment.judge("going on after a kill", percentile(took_s, 95), RESUMED_WITHIN_S)


async def test_a_frozen_worker_loses_what_is_cancelled_and_goes_on_with_the_rest(experiment: Experiment) -> None:
    async with experiment.load() as load:
        worker, held = busy_worker(load)
        worker.send(signal.SIGSTOP)
        try:
            for accepted in held[:2]:
                load.cancelled.add(accepted.run["id"])
                cancelled = await answer(load.member.client, CANCEL_RUN, runId=accepted.run["id"])
                assert cancelled["run"]["status"] == "CANCELLED"
            await asyncio.sleep(FROZEN_S)
        finally:
            worker.send(signal.SIGCONT)
    assert not load.client_errors

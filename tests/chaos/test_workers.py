"""Workers that die and workers that freeze."""

import asyncio
import signal
from dataclasses import dataclass

from engine.supervision import MOST_LOST_WORKERS
from tests.accounts import Member, sign_up
from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.chaos.load import Accepted, Load, is_open
from tests.client import Json
from tests.operations import CANCEL_RUN, answer, assert_dense, create_agent, finish, start_run, watch
from tests.servers.command import Command
from tests.upstream.connections import established
from tests.upstream.replies import numbered_tokens, text

RESUMED_WITHIN_S = 2.0
FROZEN_S = 3.0
DEATHS_AMONG_OTHERS = 2
ENDLESS_ANSWER = text(*numbered_tokens(10_000)).pausing(0.5)


def busy_worker(load: Load) -> tuple[Command, list[Accepted]]:
    """One of the workers that listen to the provider right now, and the runs that it does that for."""
    speaking = load.speaking()
    by_worker = {
        worker: [accepted for accepted, exchange in speaking if exchange.ports in established(worker.pid)]
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


async def test_a_run_that_kills_each_of_its_workers_is_given_up_and_the_others_go_on(experiment: Experiment) -> None:
    async with experiment.load() as load:
        deadly = await start_endless_run(load)
        for number in range(MOST_LOST_WORKERS):
            if number == DEATHS_AMONG_OTHERS:
                # They would be given up as well, had they been there each time.
                await load.until(lambda: not load.speaking())
            worker = await worker_of(load, deadly)
            await load.cluster.replace_worker(worker, signal.SIGKILL)
        ended = await finish(deadly.member, deadly.run)
        events = await watch(deadly.member.client, ended)
    assert (ended["status"], ended["failure"]["code"], ended["failure"]["retryable"]) == ("FAILED", "INTERNAL", False)
    assert f"{MOST_LOST_WORKERS} workers died" in ended["failure"]["message"]
    assert_dense(events)
    assert len(load.cluster.upstream.exchanges(deadly.model)) == MOST_LOST_WORKERS
    assert not load.client_errors


@dataclass(frozen=True)
class Deadly:
    """A run of somebody else, whose answer never ends."""

    member: Member
    run: Json
    model: str


async def start_endless_run(load: Load) -> Deadly:
    member = await sign_up(load.balancer.address())
    model = load.cluster.upstream.serve(ENDLESS_ANSWER)
    return Deadly(member, await start_run(member, await create_agent(member, f"openai_compatible/{model}")), model)


async def worker_of(load: Load, deadly: Deadly) -> Command:
    """The worker that listens to the provider for that run, once there is one."""

    def listening() -> list[Command]:
        ports = {exchange.ports for exchange in load.cluster.upstream.exchanges(deadly.model) if is_open(exchange)}
        return [worker for worker in load.cluster.workers if ports & established(worker.pid)]

    await load.until(lambda: bool(listening()))
    return listening()[0]


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

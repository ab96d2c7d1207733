"""Processes that are replaced, in good order and otherwise."""

import asyncio
import signal

from tests.chaos.cluster import Cluster
from tests.chaos.experiment import Experiment
from tests.chaos.load import Plan

SERVICE_RESTART = "closed 1012"
LOST = "closed 1006"


async def roll_servers(cluster: Cluster) -> None:
    for server in list(cluster.servers):
        await cluster.replace_server(server, signal.SIGTERM)


async def roll_workers(cluster: Cluster) -> None:
    for worker in list(cluster.workers):
        await cluster.replace_worker(worker, signal.SIGTERM)


async def test_a_rolling_restart_loses_no_run_no_token_and_no_request(experiment: Experiment) -> None:
    async with experiment.load(Plan(tokens=250)) as load:
        await asyncio.gather(roll_servers(experiment.cluster), roll_workers(experiment.cluster))
    assert not load.caller.errors, "every request that was accepted is answered"
    # Who takes more than some seconds to answer a close frame is cut off.
    assert load.client_errors.keys() <= ({SERVICE_RESTART, LOST} if experiment.machine_was_busy else {SERVICE_RESTART})


async def test_a_killed_server_costs_its_clients_a_reconnect(experiment: Experiment) -> None:
    cluster = experiment.cluster
    async with experiment.load() as load:
        await cluster.replace_server(experiment.rng.choice(cluster.servers), signal.SIGKILL)
    assert sum((reader.errors for reader in load.readers), start=type(load.client_errors)()).keys() <= {LOST}
    assert all(kind.startswith("broken off") for kind in load.caller.errors)

"""Clients whose connections break, who leave, and who change their minds."""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import cycle

from tests.chaos.cluster import PATIENCE_S
from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.chaos.load import RUNS, Accepted, Load, Plan
from tests.e2e.clients.cutting_proxy import cutting_proxy
from tests.operations import CANCEL_RUN, RUN_EVENTS, answer
from tests.servers.app import Address

CUTS = 40
CUT_AFTER_BYTES = (500, 20_000)
ABORTED_SOCKETS = 100
# So many that the 95th percentile is not the slowest of them.
CANCELLING_LOADS, CANCELLED_RUNS = 2, 10
CLOSED_WITHIN_S = 0.1


async def test_cut_networks_lose_nothing(experiment: Experiment) -> None:
    async with AsyncExitStack() as stack:
        limits = [[experiment.rng.randint(*CUT_AFTER_BYTES) for _ in range(CUTS)] for _ in experiment.cluster.servers]
        proxies = [
            await stack.enter_async_context(cutting_proxy(server.url, *cuts))
            for server, cuts in zip(experiment.cluster.servers, limits, strict=True)
        ]
        addresses = cycle(Address(proxy.url) for proxy in proxies)
        async with experiment.load(Plan(address=lambda: next(addresses))) as load:
            pass
        assert any(proxy.cuts_left < CUTS for proxy in proxies)
    assert not load.caller.errors


async def test_clients_who_come_and_go_leave_nothing_behind(experiment: Experiment) -> None:
    async with experiment.load(Plan(restless_readers=RUNS)) as load:
        await asyncio.gather(*(abort_a_socket(load, accepted) for accepted in load.long * (ABORTED_SOCKETS // RUNS)))
    assert not load.client_errors


async def abort_a_socket(load: Load, accepted: Accepted) -> None:
    await asyncio.sleep(load.rng.uniform(0, 2))
    async with load.balancer.address().client(load.member.access_token).connect() as socket:
        await socket.subscribe(RUN_EVENTS, runId=accepted.run["id"])
        await asyncio.sleep(load.rng.uniform(0, 0.1))
        socket.connection.transport.abort()


async def test_cancelling_stops_the_provider_and_nothing_else(experiment: Experiment) -> None:
    took_s: list[float] = []
    for _ in range(CANCELLING_LOADS):
        async with experiment.load(Plan(tokens=250)) as load:
            took_s += [await cancel_one(load) for _ in range(CANCELLED_RUNS)]
        assert not load.client_errors
    experiment.figures.cancelled_s += took_s
    experiment.judge("from cancelRun to the provider", percentile(took_s, 95), CLOSED_WITHIN_S)


async def cancel_one(load: Load) -> float:
    """Cancel a run through one of the servers; the seconds until the provider's connection is closed."""
    accepted, exchange = load.rng.choice(load.speaking())
    load.cancelled.add(accepted.run["id"])
    client = load.balancer.address().client(load.member.access_token)
    began = time.monotonic()
    cancelled = await answer(client, CANCEL_RUN, runId=accepted.run["id"])
    assert cancelled["run"]["status"] == "CANCELLED"
    assert cancelled["providerClosedAt"] is not None
    await asyncio.wait_for(exchange.closed.wait(), PATIENCE_S)
    assert exchange.closed_at is not None
    return exchange.closed_at - began

"""One fault: the load around it, and after it whatever must be so after each."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from tests.chaos.checker import Findings, Lag, check_runs
from tests.chaos.cluster import Cluster
from tests.chaos.condition import condition_of, recovered
from tests.chaos.figures import Figures
from tests.chaos.load import DEFAULT_PLAN, Load, Plan, loaded

# The load average at which processes wait for a processor longer than for what is measured; the load itself makes 3.
BUSY = 2 + (os.cpu_count() or 1)

MOST_FAILURES = 5
MOST_CHARS_OF_A_FAILURE = 3000


@dataclass
class Experiment:
    """What a test has to go on. ``rng``: chance, the same for every session with the same seed.

    ``findings``: of the last load that ended. ``load_averages``: the machine's, before and after each load.
    """

    cluster: Cluster
    rng: Random
    figures: Figures
    findings: Findings | None = None
    load_averages: list[float] = field(default_factory=list)

    @property
    def lags(self) -> list[Lag]:
        """Of the last load's readers who stayed connected."""
        assert self.findings is not None
        return self.findings.lags

    @property
    def machine_was_busy(self) -> bool:
        """Whether it had no time for anybody: connections may time out, and no promise about time can be judged."""
        return max(self.load_averages) > BUSY

    def judge(self, what: str, seconds: float, limit_s: float) -> None:
        """Raises AssertionError when ``what`` took too long, unless the machine had no time for anybody."""
        if self.machine_was_busy:
            self.figures.not_judged.append(f"{what}: {seconds:.3f} s, on a machine too busy to tell")
        else:
            assert seconds < limit_s, what

    @asynccontextmanager
    async def load(self, plan: Plan = DEFAULT_PLAN) -> AsyncIterator[Load]:
        """The load, in the midst of which the block begins; after the block everything is checked.

        Raises:
            AssertionError: something is not as promised, whatever the fault was.
        """
        before = await condition_of(self.cluster)
        self.load_averages.append(os.getloadavg()[0])
        async with loaded(self.cluster, self.rng, plan) as load:
            await load.until_all_speak()
            yield load
        growth = await recovered(self.cluster, before)
        found = await check_runs(load)
        failures = self.cluster.new_failures()
        assert not failures, "\n".join(line[:MOST_CHARS_OF_A_FAILURE] for line in failures[:MOST_FAILURES])
        self.findings = found
        self.load_averages.append(os.getloadavg()[0])
        self.figures.loads += 1
        self.figures.runs += found.runs
        self.figures.tokens_delivered += found.delivered
        self.figures.tokens_recorded += found.recorded
        self.figures.rewinds += found.rewinds
        self.figures.reconnects += sum(reader.connections - 1 for reader in load.readers)
        self.figures.requests += len(load.caller.answered)
        self.figures.refused_and_sent_elsewhere += load.balancer.refused
        self.figures.memory_growth_bytes += growth
        self.figures.client_errors += load.client_errors

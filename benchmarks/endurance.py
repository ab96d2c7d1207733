"""What time and idle clients do to a system's memory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil
from statistics import linear_regression

from benchmarks.answers import PACED, PACED_HZ, TOKENS
from benchmarks.measures import Figures, asking
from benchmarks.processes import loading, outcome
from benchmarks.systems import System

SAMPLE_S = 5.0
# Each brings some 30 events a second, one run after the other.
SOAK_STREAMS = 4
ANSWER_S = len(TOKENS) / PACED_HZ
# This part of a soak is not looked at: caches and pools fill up.
WARM_UP = 0.2

IDLE_S = 10.0
WARM_UP_SOCKETS = 20


@dataclass(frozen=True, slots=True)
class Soaked:
    """``events_per_s``: what all subscriptions got. ``rss_mb``: of a process of each kind, every `SAMPLE_S`."""

    events_per_s: float
    rss_mb: dict[str, list[float]] = field(default_factory=dict)

    def figures(self, kind: str) -> Figures:
        """How the memory of that kind of process went once it was warm: its bounds, and the slope of a line through it
        by least squares.
        """
        values = self.rss_mb[kind]
        warm = values[int(len(values) * WARM_UP) :]
        minutes = [number * SAMPLE_S / 60 for number in range(len(warm))]
        return {
            "events_per_s": self.events_per_s,
            "least_mb": min(warm),
            "most_mb": max(warm),
            "mb_per_min": linear_regression(minutes, warm).slope,
        }


def soak(systems: Sequence[System], upstream_ports: Sequence[int], seconds: float) -> list[Soaked]:
    """Some streams at the pace of a model on each system, all systems at once, each with a provider of its own."""
    job = {"model": PACED, "at_once": SOAK_STREAMS, "each": ceil(seconds / ANSWER_S), "spread_s": ANSWER_S}
    samples: list[dict[str, list[float]]] = [{} for _ in systems]
    with ExitStack() as stack:
        loads = [
            stack.enter_context(loading("streams", **asking(system, upstream_port), **job))
            for system, upstream_port in zip(systems, upstream_ports, strict=True)
        ]
        while all(load.poll() is None for load in loads):
            time.sleep(SAMPLE_S)
            for system, of_system in zip(systems, samples, strict=True):
                for kind, value in system.rss_mb().items():
                    of_system.setdefault(kind, []).append(value)
        results = [outcome(load) for load in loads]
    return [
        Soaked(result["events"] / result["wall_s"], of_system)
        for result, of_system in zip(results, samples, strict=True)
    ]


def idle_subscriptions(system: System, sockets: int, each: int) -> Figures:
    """What ``each`` subscriptions on each of some sockets hold and use, while nothing happens in their runs."""
    with _idling(system, WARM_UP_SOCKETS, 1):
        pass
    system.settle()
    before_mb = system.rss_mb()["server"]
    with _idling(system, sockets, each):
        time.sleep(IDLE_S)
        before, began = system.cpu_s(), time.monotonic()
        time.sleep(IDLE_S)
        after, seconds = system.cpu_s(), time.monotonic() - began
        rss_mb = system.rss_mb()["server"]
    return {
        "kb_each": (rss_mb - before_mb) * 1000 / (sockets * each),
        "rss_mb": rss_mb,
        "server_cores": (after["server"] - before["server"]) / seconds,
        "postgres_cores": (after["postgres"] - before["postgres"]) / seconds,
    }


@contextmanager
def _idling(system: System, sockets: int, each: int) -> Iterator[None]:
    """All subscriptions are there within the block. Raises CalledProcessError when one has ended before it does."""
    job = {"port": system.ports[0], "token": system.token, "agents": system.agents}
    with loading("idle", **job, sockets=sockets, each=each) as load:
        assert load.stdout is not None
        load.stdout.readline()
        yield
        outcome(load)

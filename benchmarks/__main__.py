"""`python -m benchmarks`: measures all systems in turn, round after round, and writes down the medians."""

import argparse
import os
import resource
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import endurance, measures, report
from benchmarks.marks import LAG_LIMIT_MS
from benchmarks.processes import ROOT, interpreter_speed
from benchmarks.results import Results
from benchmarks.systems import (
    ONE_AND_ONE,
    ONE_PROCESS,
    TWO_AND_TWO,
    WITHOUT_EXECUTOR,
    System,
    passing,
    synapse,
    upstream,
)

RESULTS = Path(__file__).parent / "results"
DOCS = ROOT / "docs"
# How many streams each client reads: where there are few clients more, so that it takes long enough to be measured.
EACH = {1: 16, 16: 2}
# Where several processes are to be compared with one.
DEPLOYMENT_LEVELS = {1, 64, 200}
SOAK_S = 600
IDLE_SUBSCRIPTIONS = 5000
# As many as one socket may carry.
IDLE_PER_SOCKET = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``passing``: the servers that pass the provider's stream on. ``api``: HTTP requests, too.
    ``deployments``: several processes of Synapse together, too. ``soak_s`` and ``idle``: how long, and how many; or 0.
    """

    rounds: int
    levels: list[int]
    paced_levels: list[int]
    passing: list[str]
    api: bool
    deployments: bool
    soak_s: int
    idle: int


def main() -> int:
    plan, out = _arguments()
    _allow_many_sockets()
    # Whoever ends it leaves no servers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = Results(["direct"])
    with tempfile.TemporaryDirectory(prefix="synapse-bench-") as folder:
        _note_machine(results)
        if plan.levels or plan.paced_levels or plan.api:
            _rounds(plan, Path(folder), results)
        if plan.idle:
            _idle(plan.idle, Path(folder), results)
        if plan.soak_s:
            _soak(plan.soak_s, Path(folder), results)
        _note_machine(results)
    report.write(results, out)
    if out == RESULTS:
        report.publish(results, DOCS)
    sys.stdout.write(f"\n{report.tables(results)}")
    return 0


def _arguments() -> tuple[Plan, Path]:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Synapse beside servers without it.")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure everything (%(default)s)")
    parser.add_argument("--levels", type=int, nargs="*", default=[1, 16, 64, 200], help="streams at once, flat out")
    parser.add_argument("--paced", type=int, nargs="*", default=[8, 16, 64, 128, 200], help="streams at 50 tokens/s")
    parser.add_argument("--passing", nargs="*", default=["litellm", "openai"], help="which servers without Synapse")
    parser.add_argument("--no-api", dest="api", action="store_false", help="leave out queries and mutations")
    growth_help = f"also several processes, {IDLE_SUBSCRIPTIONS} idle subscriptions, and a soak of {SOAK_S} s"
    parser.add_argument("--growth", action="store_true", help=growth_help)
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="that long, within the hour that a token lasts")
    parser.add_argument("--idle-subscriptions", type=int, metavar="COUNT", help="so many")
    parser.add_argument("--short", action="store_true", help="one round of little, to see that all of it works")
    out_help = "folder for JSON, tables and plots, in place of those of the documentation"
    parser.add_argument("--out", type=Path, default=RESULTS, help=out_help)
    given = parser.parse_args()
    rounds, levels, paced = (1, [1, 64], [8]) if given.short else (given.rounds, given.levels, given.paced)
    soak_s, idle = (30, IDLE_PER_SOCKET) if given.short else (SOAK_S, IDLE_SUBSCRIPTIONS)
    if given.soak is not None or not given.growth:
        soak_s = given.soak or 0
    if given.idle_subscriptions is not None or not given.growth:
        idle = given.idle_subscriptions or 0
    return Plan(rounds, levels, paced, given.passing, given.api, given.growth, soak_s, idle), given.out


def _rounds(plan: Plan, folder: Path, results: Results) -> None:
    with ExitStack() as stack:
        systems = _started(plan, folder, stack)
        for system in systems:
            if system.cold_start_s:
                memory = {f"{kind}_rss_mb": value for kind, value in system.idle_rss_mb.items()}
                results.add(system.name, "start", {"cold_start_s": system.cold_start_s, **memory})
        for number in range(plan.rounds):
            _say(f"Round {number + 1} of {plan.rounds}")
            _round(plan, systems, results)
            _note_machine(results)


def _started(plan: Plan, folder: Path, stack: ExitStack) -> list[System]:
    """All systems, which end with ``stack``. One at a time starts, so that each has the machine to itself."""
    logs = folder / "logs"
    provider = stack.enter_context(upstream(logs))
    port, systems = provider.ports[0], [provider]
    for name in plan.passing:
        _say(f"Starting strawberry + {name}")
        systems.append(stack.enter_context(passing(name, port, logs)))
    _say("Starting Synapse")
    systems.append(stack.enter_context(synapse(ONE_PROCESS, port, folder / "one", with_executor=True)))
    if plan.api:
        systems.append(stack.enter_context(synapse(WITHOUT_EXECUTOR, port, folder / "api")))
    if plan.deployments:
        systems.append(stack.enter_context(synapse(ONE_AND_ONE, port, folder / "two", workers=1)))
        systems.append(stack.enter_context(synapse(TWO_AND_TWO, port, folder / "four", servers=2, workers=2)))
    return systems


def _round(plan: Plan, systems: list[System], results: Results) -> None:
    """Every measurement once. Systems take turns within each, so that what ails the machine ails all of them."""
    upstream_port, streaming = systems[0].ports[0], [system for system in systems if system.streams]
    for level in plan.levels:
        for system in streaming:
            if _is_of_interest(system, level):
                _say(f"  flat out, {level} streams: {system.name}")
                figures = measures.flat_out(system, upstream_port, level, EACH.get(level, 1))
                results.add(system.name, f"flat out {level}", figures)
    for level in plan.paced_levels:
        for system in streaming:
            if _is_of_interest(system, level) and _keeps_pace(results, system, plan.paced_levels, level):
                _say(f"  paced, {level} streams: {system.name}")
                results.add(system.name, f"paced {level}", measures.paced(system, upstream_port, level))
    for system in systems if plan.api else []:
        if system.name in (ONE_PROCESS, WITHOUT_EXECUTOR):
            _say(f"  queries and mutations: {system.name}")
            results.add(system.name, "starts", measures.starts(system))
            system.settle()
            results.add(system.name, "requests", measures.requests(system))


def _is_of_interest(system: System, level: int) -> bool:
    return level in DEPLOYMENT_LEVELS or system.name not in (ONE_AND_ONE, TWO_AND_TWO)


def _keeps_pace(results: Results, system: System, levels: list[int], level: int) -> bool:
    """Whether it is worth trying: others than Synapse that have fallen behind by far with fewer streams would take
    minutes.
    """
    lags = [results.median(system.name, f"paced {below}", "lag_p99_ms") for below in levels if below < level]
    return system.client == "synapse" or all(lag is None or lag < 4 * LAG_LIMIT_MS for lag in lags)


def _idle(count: int, folder: Path, results: Results) -> None:
    """On a fresh process each: one that has had many sockets keeps some of their memory for the next."""
    for each in (1, IDLE_PER_SOCKET):
        name = f"idle {count // each:,} x {each}"
        _say(f"Idle subscriptions, sockets x subscriptions: {name}")
        with (
            upstream(folder / "logs") as provider,
            synapse(WITHOUT_EXECUTOR, provider.ports[0], folder / f"idle_{each}") as system,
        ):
            results.add(system.name, name, endurance.idle_subscriptions(system, count // each, each))


def _soak(seconds: int, folder: Path, results: Results) -> None:
    """On fresh processes, too, in which a small leak has nothing to hide in."""
    _say(f"Soaking for {seconds} s")
    with ExitStack() as stack:
        providers = [stack.enter_context(upstream(folder / "logs")) for _ in range(2)]
        first, second = [provider.ports[0] for provider in providers]
        systems = [
            stack.enter_context(synapse(ONE_PROCESS, first, folder / "soak_one", with_executor=True)),
            stack.enter_context(synapse(ONE_AND_ONE, second, folder / "soak_two", workers=1)),
        ]
        for system, soaked in zip(systems, endurance.soak(systems, [first, second], seconds), strict=True):
            for kind in soaked.rss_mb:
                results.add(system.name, f"soak {kind}", soaked.figures(kind))
                for value in soaked.rss_mb[kind]:
                    results.add(system.name, f"soak {kind}", {"rss_samples_mb": value})


def _note_machine(results: Results) -> None:
    results.machine.append({**interpreter_speed(), "load_average": os.getloadavg()[0]})


def _allow_many_sockets() -> None:
    """In this process and those that it starts, as far as the system permits."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())

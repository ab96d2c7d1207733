"""`python -m benchmarks`: measures all systems in turn, round after round, and writes down the medians."""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measures, report
from benchmarks.processes import ROOT, interpreter_speed
from benchmarks.results import Results
from benchmarks.systems import System, passing, postgres, synapse, upstream

RESULTS = Path(__file__).parent / "results"
PAGE = ROOT / "docs" / "performance.md"
# How many streams each client reads: where there are few clients more, so that it takes long enough to be measured.
EACH = {1: 8, 16: 2}
LAG_LIMIT_MS = 50.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``passing``: the servers that pass the provider's stream on. ``api``: HTTP requests, too."""

    rounds: int
    levels: list[int]
    paced_levels: list[int]
    passing: list[str]
    api: bool


def main() -> int:
    plan, folder = _arguments()
    with tempfile.TemporaryDirectory(prefix="synapse-bench-") as temporary, ExitStack() as stack:
        systems = _started(plan, Path(temporary), stack)
        results = Results([system.name for system in systems])
        for system in systems:
            if system.cold_start_s:
                figures = {"cold_start_s": system.cold_start_s, "idle_rss_mb": system.idle_rss_mb}
                results.add(system.name, "start", figures)
        for number in range(plan.rounds):
            _say(f"Round {number + 1} of {plan.rounds}")
            _note_machine(results)
            _round(plan, systems, results)
        _note_machine(results)
    report.write(results, folder)
    if folder == RESULTS:
        report.publish(results, PAGE)
    sys.stdout.write(f"\n{report.tables(results)}")
    return 0


def _arguments() -> tuple[Plan, Path]:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Synapse beside servers without it.")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure everything (%(default)s)")
    parser.add_argument("--levels", type=int, nargs="*", default=[1, 16, 64, 200], help="streams at once, flat out")
    parser.add_argument("--paced", type=int, nargs="*", default=[8, 32, 64, 200, 400], help="streams at 50 tokens/s")
    parser.add_argument("--passing", nargs="*", default=["litellm", "openai"], help="which servers without Synapse")
    parser.add_argument("--no-api", dest="api", action="store_false", help="leave out queries and mutations")
    parser.add_argument("--short", action="store_true", help="one round of little, to see that all of it works")
    out_help = "folder for JSON, tables and plot, in place of those of the documentation"
    parser.add_argument("--out", type=Path, default=RESULTS, help=out_help)
    given = parser.parse_args()
    if given.short:
        return Plan(1, [1, 64], [8], given.passing, given.api), given.out
    return Plan(given.rounds, given.levels, given.paced, given.passing, given.api), given.out


def _started(plan: Plan, folder: Path, stack: ExitStack) -> list[System]:
    """All systems, which end with ``stack``. One at a time starts, so that each has the machine to itself."""
    logs = folder / "logs"
    provider = stack.enter_context(upstream(logs))
    systems = [provider]
    for name in plan.passing:
        _say(f"Starting strawberry + {name}")
        systems.append(stack.enter_context(passing(name, provider.port, logs)))
    _say("Starting PostgreSQL and Synapse")
    database = stack.enter_context(postgres(folder / "postgres"))
    systems.append(stack.enter_context(synapse(provider.port, *database, logs)))
    if plan.api:
        systems.append(stack.enter_context(synapse(provider.port, *database, logs, with_executor=False)))
    return systems


def _round(plan: Plan, systems: list[System], results: Results) -> None:
    """Every measurement once. Systems take turns within each, so that what ails the machine ails all of them."""
    provider, streaming = systems[0], [system for system in systems if system.streams]
    for level in plan.levels:
        for system in streaming:
            _say(f"  flat out, {level} streams: {system.name}")
            figures = measures.flat_out(system, provider.port, level, EACH.get(level, 1))
            results.add(system.name, f"flat out {level}", figures)
    for level in plan.paced_levels:
        for system in streaming:
            if _kept_pace(results, system.name, plan.paced_levels, level):
                _say(f"  paced, {level} streams: {system.name}")
                results.add(system.name, f"paced {level}", measures.paced(system, provider.port, level))
    for system in systems if plan.api else []:
        if system.agents:
            _say(f"  queries and mutations: {system.name}")
            measures.settle(system)
            results.add(system.name, "starts", measures.starts(system))
            measures.settle(system)
            results.add(system.name, "requests", measures.requests(system))


def _kept_pace(results: Results, system: str, levels: list[int], level: int) -> bool:
    """Whether it is worth trying: with fewer streams the system has not fallen behind by far."""
    lags = [results.median(system, f"paced {below}", "lag_p99_ms") for below in levels if below < level]
    return all(lag is not None and lag < 4 * LAG_LIMIT_MS for lag in lags)


def _note_machine(results: Results) -> None:
    results.machine.append({**interpreter_speed(), "load_average": os.getloadavg()[0]})


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())

"""How many streams a core carries: what docs/operations.md advises from."""

from benchmarks.answers import PACED_HZ
from benchmarks.results import Results
from benchmarks.systems import ONE_AND_ONE, ONE_PROCESS, WITHOUT_EXECUTOR

# Enough streams for what does not depend on them to weigh little, and few enough for none to be late.
MEASUREMENT = "paced 64"
# What a core belongs to, the system in which it was measured, and the kind of its process there.
CORES = (
    ("`synapse serve`", ONE_PROCESS, "server"),
    ("`synapse serve --no-executor`", ONE_AND_ONE, "server"),
    ("`synapse worker`", ONE_AND_ONE, "worker"),
    ("PostgreSQL", ONE_AND_ONE, "postgres"),
    ("Redis", ONE_AND_ONE, "redis"),
)


def sizing(results: Results) -> str:
    """A table of Markdown, and what idle subscriptions hold; nothing without the figures of several processes."""
    lines = [_line(results, *core) for core in CORES]
    if not all(lines):
        return ""
    head = f"| one core of | carries, at {PACED_HZ} tokens/s | and takes when idle |\n| --- | ---: | ---: |\n"
    return head + "".join(lines) + _idle(results)


def _line(results: Results, name: str, system: str, kind: str) -> str:
    cost_s = results.median(system, MEASUREMENT, f"{kind}_cpu_s_per_1000_tokens")
    if not cost_s:
        return ""
    rss_mb = results.median(system, "start", f"{kind}_rss_mb")
    memory = f"{rss_mb:.0f} MB" if rss_mb else ""
    return f"| {name} | {1000 / cost_s / PACED_HZ:,.0f} streams | {memory} |\n"


def _idle(results: Results) -> str:
    kb = [results.median(WITHOUT_EXECUTOR, name, "kb_each") for name in results.measurements("idle")]
    if len(kb) != 2 or kb[0] is None or kb[1] is None:
        return ""
    return (
        f"\nAn idle subscription takes {kb[0]:.0f} KB of the server on a WebSocket of its own, and {kb[1]:.0f} KB "
        "where a WebSocket carries a hundred.\n"
    )

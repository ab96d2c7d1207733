"""What `make bench` leaves behind: the values as JSON, their medians as tables, the most telling of them as plots."""

import platform
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.endurance import SAMPLE_S
from benchmarks.marks import MARKS, added_first_token
from benchmarks.plot import bars, lines
from benchmarks.results import Results
from benchmarks.sizing import sizing
from benchmarks.systems import ONE_PROCESS

Columns = dict[str, tuple[str, str]]
"""Of a table: what stands above each, the figure that stands in it, and the figure's format."""

BEGIN, END = "<!-- what `make bench` measured -->\n", "<!-- end -->\n"
PLOTS = {
    "throughput.svg": "Tokens a second by streams at once",
    "memory.svg": "Memory over time",
}


CPU: Columns = {
    f"{name} CPU, s/1,000": (f"{kind}_cpu_s_per_1000_tokens", ".3f")
    for name, kind in {
        "server": "server",
        "worker": "worker",
        "PostgreSQL": "postgres",
        "Redis": "redis",
        "all": "all",
    }.items()
}
FLAT_OUT: Columns = {"tokens/s": ("tokens_per_s", ",.0f"), **CPU, "first token, ms": ("first_token_ms", ".1f")}
PACED: Columns = {
    "lag p50, ms": ("lag_p50_ms", ".1f"),
    "lag p99, ms": ("lag_p99_ms", ".1f"),
    "first token, ms": ("first_token_ms", ".1f"),
    **CPU,
}
SOAK: Columns = {
    "events/s": ("events_per_s", ".0f"),
    "least MB": ("least_mb", ".1f"),
    "most MB": ("most_mb", ".1f"),
    "slope, MB/min": ("mb_per_min", "+.3f"),
}
IDLE: Columns = {
    "KB each": ("kb_each", ".1f"),
    "server RSS, MB": ("rss_mb", ".0f"),
    "server CPU, cores": ("server_cores", ".2f"),
    "PostgreSQL CPU, cores": ("postgres_cores", ".2f"),
}
START: Columns = {
    "cold start, s": ("cold_start_s", ".1f"),
    "idle RSS of a server, MB": ("server_rss_mb", ".0f"),
    "of a worker, MB": ("worker_rss_mb", ".0f"),
}
STARTS: Columns = {
    "startRun, 1/s": ("starts_per_s", ".0f"),
    "p50 at half that, ms": ("start_p50_ms_at_half", ".1f"),
    "p95, ms": ("start_p95_ms_at_half", ".1f"),
    "p50 at 75/s, ms": ("start_p50_ms", ".1f"),
    "p95 at 75/s, ms": ("start_p95_ms", ".1f"),
}
REQUESTS: Columns = {
    "`{ __typename }`, CPU us": ("typename_cpu_us", ".0f"),
    "100 runs by 6 scalars, CPU us": ("page_cpu_us", ".0f"),
}


def write(results: Results, folder: Path) -> None:
    """Write ``results.json``, ``results.md`` and plots into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(orjson.dumps(results.as_json(), option=orjson.OPT_INDENT_2))
    (folder / "results.md").write_text(tables(results))
    for name, drawing in _plots(results).items():
        (folder / name).write_text(drawing)


def publish(results: Results, docs: Path) -> None:
    """Put plots and tables into ``performance.md``, and what one core carries into ``operations.md``, if that was
    measured: between the lines that mark their place.
    """
    plots = "".join(f"![{PLOTS[name]}](../benchmarks/results/{name})\n\n" for name in _plots(results))
    _insert(docs / "performance.md", plots + tables(results))
    if sized := sizing(results):
        _insert(docs / "operations.md", sized)


def _insert(page: Path, text: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{text}{END}{after}")


def _plots(results: Results) -> dict[str, str]:
    """SVGs by file name, of what was measured."""
    plots = {}
    if levels := results.measurements("flat out"):
        speeds = {
            system: [results.median(system, level, "tokens_per_s") for level in levels] for system in results.systems
        }
        series = {
            system: [speed for speed in of_system if speed] for system, of_system in speeds.items() if all(of_system)
        }
        title = "Tokens a second, flat out, by streams at once (logarithmic)"
        plots["throughput.svg"] = bars(title, [level.split()[-1] for level in levels], series)
    memory = {
        f"{system}: {measurement.split()[-1]}": values
        for (system, measurement, figure), values in results.values.items()
        if figure == "rss_samples_mb"
    }
    if memory:
        plots["memory.svg"] = lines("Memory (RSS, MB) over minutes of streams", SAMPLE_S / 60, memory)
    return plots


def tables(results: Results) -> str:
    """All medians, as tables of Markdown."""
    parts = [
        _marks(results),
        *(_flat_out(results, measurement) for measurement in results.measurements("flat out")),
        *(_table(results, measurement, PACED) for measurement in results.measurements("paced")),
        _cost(results),
        _table(results, "start", START),
        _table(results, "starts", STARTS),
        _table(results, "requests", REQUESTS),
        *(_table(results, measurement, SOAK) for measurement in results.measurements("soak")),
        *(_table(results, measurement, IDLE) for measurement in results.measurements("idle")),
        _machine(results),
    ]
    return "\n".join(part for part in parts if part)


def _marks(results: Results) -> str:
    rows = [row for mark in MARKS if (row := mark.row(results))]
    return _markdown(["mark", "aim", "measured", "met"], rows)


def _cost(results: Results) -> str:
    """Whether a token costs the same however many streams there are."""
    rows = []
    for way in ("flat out", "paced"):
        for name, (figure, form) in CPU.items():
            costs = [results.median(ONE_PROCESS, f"{way} {level}", figure) for level in (16, 64, 200)]
            if costs[0] and costs[-1]:
                ratio = f"{costs[-1] / costs[0]:.2f}"
                rows.append([f"{way}, {name}", *(_cell(cost, form) for cost in costs), ratio])
    return _markdown([f"{ONE_PROCESS}, by streams", "16", "64", "200", "200 / 16"], rows)


def _flat_out(results: Results, measurement: str) -> str:
    """With what stands beside `direct`: of a single stream its first token, of many their tokens a second."""
    limit = results.median("direct", measurement, "tokens_per_s")
    beside = {}
    for system in results.systems:
        if measurement == "flat out 1":
            beside[system] = _cell(added_first_token(system)(results), ".1f")
        elif limit and (value := results.median(system, measurement, "tokens_per_s")):
            beside[system] = f"{value / limit:.3f}"
    return _table(results, measurement, FLAT_OUT, ("added, ms" if measurement == "flat out 1" else "x direct", beside))


def _table(
    results: Results, measurement: str, columns: Columns, extra: tuple[str, dict[str, str]] | None = None
) -> str:
    """One line a system, without columns that nobody has. Where there were several rounds, the bounds of the first
    figure stand behind its median.
    """
    first, form = next(iter(columns.values()))
    values = {
        system: found for system in results.systems if (found := results.values.get((system, measurement, first)))
    }
    table = [(measurement, list(values))]
    for name, (figure, its_form) in columns.items():
        table.append((name, [_cell(results.median(system, measurement, figure), its_form) for system in values]))
    if any(len(of_system) > 1 for of_system in values.values()):
        bounds = [f"{min(of_system):{form}} to {max(of_system):{form}}" for of_system in values.values()]
        table.insert(2, ("from, to", bounds))
    if extra:
        head, by_system = extra
        table.append((head, [by_system.get(system, "") for system in values]))
    filled = [(head, cells) for head, cells in table if any(cells)]
    return _markdown([head for head, _ in filled], list(zip(*(cells for _, cells in filled), strict=True)))


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _machine(results: Results) -> str:
    cpu = [1000 * noted["cpu_s"] for noted in results.machine]
    busy = [noted["wall_s"] / noted["cpu_s"] for noted in results.machine]
    load = [noted["load_average"] for noted in results.machine]
    return (
        f"All of them ran on Python {platform.python_version()}, built by {platform.python_compiler()}. "
        f"The machine, before each round and at the end: a fixed loop of Python took {min(cpu):.0f} to {max(cpu):.0f} "
        f"ms of CPU and {min(busy):.2f} to {max(busy):.2f} times that by the clock; load average {min(load):.1f} to "
        f"{max(load):.1f}.\n"
    )


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [heads, rule, *rows])

"""What `make bench` leaves behind: the values as JSON, their medians as tables, the most telling of them as a plot."""

from pathlib import Path

import orjson

from benchmarks.plot import bars
from benchmarks.results import Results

Row = list[str]

BEGIN, END = "<!-- what `make bench` measured -->\n", "<!-- end -->\n"
PLOT = "![Tokens a second by streams at once](../benchmarks/results/throughput.svg)\n"


def write(results: Results, folder: Path) -> None:
    """Write ``results.json``, ``results.md`` and ``throughput.svg`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(orjson.dumps(results.as_json(), option=orjson.OPT_INDENT_2))
    (folder / "results.md").write_text(tables(results))
    levels = results.measurements("flat out")
    series = {
        system: [results.median(system, level, "tokens_per_s") or 0.0 for level in levels]
        for system in results.systems
        if results.median(system, levels[0], "tokens_per_s")
    }
    title = "Tokens a second, flat out, by streams at once (logarithmic)"
    (folder / "throughput.svg").write_text(bars(title, [level.split()[-1] for level in levels], series))


def publish(results: Results, page: Path) -> None:
    """Put plot and tables into a page of Markdown, between the lines that mark their place."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{PLOT}\n{tables(results)}{END}{after}")


def tables(results: Results) -> str:
    """All medians, as tables of Markdown."""
    parts = [
        _flat_out(results),
        _paced(results),
        _table(results, "start", {"cold start, s": ("cold_start_s", ".1f"), "idle RSS, MB": ("idle_rss_mb", ".0f")}),
        _table(
            results,
            "starts",
            {
                "startRun, 1/s": ("starts_per_s", ".0f"),
                "p50 at half that, ms": ("start_p50_ms_at_half", ".1f"),
                "p95, ms": ("start_p95_ms_at_half", ".1f"),
            },
        ),
        _table(
            results,
            "requests",
            {
                "`{ __typename }`, CPU us": ("typename_cpu_us", ".0f"),
                "100 runs by 6 scalars, CPU us": ("page_cpu_us", ".0f"),
            },
        ),
        _machine(results),
    ]
    return "\n".join(part for part in parts if part)


def _flat_out(results: Results) -> str:
    columns = {
        "tokens/s": ("tokens_per_s", ",.0f"),
        "server CPU, s/1,000": ("server_cpu_s_per_1000_tokens", ".3f"),
        "PostgreSQL CPU, s/1,000": ("postgres_cpu_s_per_1000_tokens", ".3f"),
        "first token, ms": ("first_token_ms", ".1f"),
    }
    return "\n".join(_table(results, level, columns, of_limit=True) for level in results.measurements("flat out"))


def _paced(results: Results) -> str:
    columns = {
        "lag p50, ms": ("lag_p50_ms", ".1f"),
        "lag p99, ms": ("lag_p99_ms", ".1f"),
        "server CPU, s/1,000": ("server_cpu_s_per_1000_tokens", ".3f"),
        "PostgreSQL CPU, s/1,000": ("postgres_cpu_s_per_1000_tokens", ".3f"),
    }
    return "\n".join(_table(results, level, columns) for level in results.measurements("paced"))


def _table(results: Results, measurement: str, columns: dict[str, tuple[str, str]], *, of_limit: bool = False) -> str:
    """One line a system; the spread over the rounds, as least to most, stands behind the median of the first figure."""
    first, _ = next(iter(columns.values()))
    limit = results.median("direct", measurement, first)
    rows = []
    for system in results.systems:
        values = results.values.get((system, measurement, first))
        if not values:
            continue
        cells = [_cell(results.median(system, measurement, figure), form) for figure, form in columns.values()]
        form = columns[next(iter(columns))][1]
        cells.insert(1, f"{min(values):{form}} to {max(values):{form}}")
        if of_limit and limit:
            cells.append(f"{(results.median(system, measurement, first) or 0.0) / limit:.3f}")
        rows.append([system, *cells])
    names = list(columns)
    heads = [measurement, names[0], "from, to", *names[1:], *(["x direct"] if of_limit and limit else [])]
    return _markdown(heads, rows) if rows else ""


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _machine(results: Results) -> str:
    cpu = [1000 * noted["cpu_s"] for noted in results.machine]
    busy = [noted["wall_s"] / noted["cpu_s"] for noted in results.machine]
    load = [noted["load_average"] for noted in results.machine]
    return (
        f"The machine, before each round and at the end: a fixed loop of Python took {min(cpu):.0f} to {max(cpu):.0f} "
        f"ms of CPU and {min(busy):.2f} to {max(busy):.2f} times that by the clock; load average {min(load):.1f} to "
        f"{max(load):.1f}.\n"
    )


def _markdown(heads: Row, rows: list[Row]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [heads, rule, *rows])

"""The benchmarks' own tools: that they measure, and that they would notice a wrong answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load, report
from benchmarks.answers import FLAT_OUT, TOKENS, Received, Wrong
from benchmarks.endurance import SAMPLE_S, Soaked
from benchmarks.processes import ROOT, loading, outcome
from benchmarks.results import Results
from benchmarks.systems import account_with_agents, upstream
from tests.servers.app import Server


async def test_a_stream_is_read_to_its_end_and_timed(tmp_path: Path) -> None:
    with upstream(tmp_path / "log") as provider:
        done = await load.streams(
            client="direct", ports=provider.ports, upstream_port=provider.ports[0], model=FLAT_OUT, at_once=1, each=2
        )
        assert provider.cpu_s()["server"] > 0
        assert provider.rss_mb()["server"] > 1
    assert done["tokens"] == 2 * len(TOKENS) >= done["events"]
    assert 0 < done["lag_p50_s"] <= done["lag_p99_s"] < done["wall_s"]


@pytest.mark.parametrize(
    "texts",
    [
        TOKENS[:-1],
        TOKENS[1:],
        TOKENS[:9] + TOKENS[8:],
        TOKENS[:9] + TOKENS[10:],
        (*TOKENS, TOKENS[0]),
        (TOKENS[0][:3],),
    ],
    ids=["no end", "no beginning", "one doubled", "one lost", "one too many", "half a token"],
)
def test_a_wrong_text_is_noticed(texts: tuple[str, ...]) -> None:
    with pytest.raises(Wrong):
        _take_all(Received(_read), texts)


def test_a_text_that_nothing_proves_is_noticed() -> None:
    with pytest.raises(Wrong):
        _take_all(Received(_read, is_proven=False), TOKENS)


def test_a_right_text_may_come_in_any_pieces_of_whole_tokens() -> None:
    received = Received(_read)
    _take_all(received, ["".join(TOKENS[:5]), TOKENS[5], "".join(TOKENS[6:])])
    assert len(received.times) == len(TOKENS)


async def test_idle_subscriptions_are_there_until_they_are_told_to_end(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    token, agents = await account_with_agents(port)

    def idle() -> dict[str, Any]:
        with loading("idle", port=port, token=token, agents=agents, sockets=2, each=3) as load:
            assert load.stdout is not None
            assert load.stdout.readline() == b"open\n"
            return outcome(load)

    assert await asyncio.to_thread(idle) == {"subscriptions": 6}


def test_memory_that_grows_is_seen_and_a_warm_up_is_not() -> None:
    warming_up = [100.0, 110.0, 120.0]
    still, growing = [121.0] * 12, [121.0 + number / 4 for number in range(12)]
    soaked = Soaked(100.0, {"server": warming_up + still, "worker": warming_up + growing})
    assert soaked.figures("server")["mb_per_min"] == pytest.approx(0)
    assert soaked.figures("worker")["mb_per_min"] == pytest.approx(60 / SAMPLE_S / 4)
    assert soaked.figures("worker")["least_mb"] == 121.0


def test_the_report_shows_medians_how_far_the_rounds_differ_and_what_is_added_to_the_first_token(
    tmp_path: Path,
) -> None:
    results = measured()
    report.write(results, tmp_path)
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "results.md").read_text().splitlines()]
    assert ["synapse", "100", "90 to 300", "0.020", "30.0", "25.0"] in rows
    assert ["synapse", "500", "500 to 500", "0.020", "30.0", "0.500"] in rows
    assert ["flat out, server CPU, s/1,000", "0.025", "0.020", "0.030", "1.20"] in rows
    assert (tmp_path / "throughput.svg").read_text().count("<rect") == 1 + 2 * 5


def test_marks_say_whether_they_are_met_and_nothing_of_what_was_not_measured() -> None:
    lines = report.tables(measured()).splitlines()
    marks = [line.strip("| ").split(" | ") for line in lines[2 : lines.index("")]]
    assert marks == [
        ["server CPU per token of 200 streams, beside that of 16", "at most 1.1", "1.20", "**no**"],
        ["paced streams with a p99 lag under 50 ms", "at least 200", "64", "**no**"],
        ["added to the first token, executor in the server, ms", "at most 10", "25.0", "**no**"],
    ]


def measured() -> Results:
    """Three rounds in which the rest was left out."""
    results = Results(["direct", "synapse"])
    for tokens_per_s in (90.0, 300.0, 100.0):
        results.add("direct", "flat out 1", {"tokens_per_s": 1000.0, "first_token_ms": 5.0})
        figures = {"tokens_per_s": tokens_per_s, "server_cpu_s_per_1000_tokens": 0.02, "first_token_ms": 30.0}
        results.add("synapse", "flat out 1", figures)
        for level, cpu_s in ((16, 0.025), (64, 0.02), (200, 0.03)):
            results.add("direct", f"flat out {level}", {"tokens_per_s": 1000.0, "first_token_ms": 5.0})
            figures = {"tokens_per_s": 500.0, "server_cpu_s_per_1000_tokens": cpu_s, "first_token_ms": 30.0}
            results.add("synapse", f"flat out {level}", figures)
    for level, lag_ms in ((16, 20.0), (64, 49.0), (200, 51.0), (400, 20.0)):
        results.add("synapse", f"paced {level}", {"lag_p50_ms": lag_ms / 2, "lag_p99_ms": lag_ms})
    results.machine.append({"cpu_s": 0.1, "wall_s": 0.2, "load_average": 1.5})
    return results


def test_tables_and_plots_go_to_their_place_in_the_documentation(tmp_path: Path) -> None:
    results, page = measured(), _copy("performance.md", tmp_path)
    before, after = page.read_text().split(report.BEGIN)[0], page.read_text().split(report.END)[1]
    report.publish(results, tmp_path)
    for value in (120.0, 121.0):
        results.add("synapse", "soak server", {"rss_samples_mb": value, "events_per_s": 1234.0})
    report.publish(results, tmp_path)
    text = page.read_text()
    assert text.startswith(before + report.BEGIN)
    assert text.endswith(report.tables(results) + report.END + after)
    assert "1234" in text
    assert [line for line in text.splitlines() if line.startswith("![")] == [
        f"![{shown}](../benchmarks/results/{name})" for name, shown in report.PLOTS.items()
    ]
    assert list(tmp_path.iterdir()) == [page]


def test_what_a_core_carries_is_told_from_what_tokens_cost(tmp_path: Path) -> None:
    results = measured()
    _copy("performance.md", tmp_path)
    page = _copy("operations.md", tmp_path)
    results.add("synapse", "paced 64", {"server_cpu_s_per_1000_tokens": 0.2})
    costs = {"server": 0.1, "worker": 0.125, "postgres": 0.04, "redis": 0.005}
    figures = {f"{kind}_cpu_s_per_1000_tokens": cost for kind, cost in costs.items()}
    results.add("synapse, 1 server + 1 worker", "paced 64", figures)
    report.publish(results, tmp_path)
    carried = [line.split(" | ")[1] for line in page.read_text().split(report.BEGIN)[1].splitlines()[2:7]]
    assert carried == ["100 streams", "200 streams", "160 streams", "500 streams", "4,000 streams"]


def _copy(page: str, folder: Path) -> Path:
    copy = folder / page
    copy.write_text((ROOT / "docs" / page).read_text())
    return copy


def _take_all(received: Received, texts: tuple[str, ...] | list[str]) -> None:
    for text in texts:
        received.keep(text.encode(), 0.0)
    received.check()


def _read(received: Received, message: bytes, at: float) -> None:
    received.take(message.decode(), at)

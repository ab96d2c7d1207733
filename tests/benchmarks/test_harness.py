"""The benchmarks' own tools: that they measure, and that they would notice a wrong answer."""

from pathlib import Path

import pytest

from benchmarks import load, report
from benchmarks.answers import FLAT_OUT, TOKENS, Received, Wrong
from benchmarks.processes import ROOT, cpu_s, rss_mb
from benchmarks.results import Results
from benchmarks.systems import upstream


async def test_a_stream_is_read_to_its_end_and_timed(tmp_path: Path) -> None:
    with upstream(tmp_path / "log") as provider:
        done = await load.streams(
            client="direct", port=provider.port, upstream_port=provider.port, model=FLAT_OUT, at_once=1, each=2
        )
        assert (cpu_s(provider.server_pid), rss_mb(provider.server_pid)) > (0, 1)
    assert done["tokens"] == 2 * len(TOKENS)
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
    received = Received()
    with pytest.raises(Wrong):
        _take_all(received, texts)


def test_a_right_text_may_come_in_any_pieces_of_whole_tokens() -> None:
    received = Received()
    _take_all(received, ["".join(TOKENS[:5]), TOKENS[5], "".join(TOKENS[6:])])
    assert len(received.times) == len(TOKENS)


def test_the_report_shows_medians_and_how_far_the_rounds_differ(tmp_path: Path) -> None:
    results = Results(["direct", "ours"])
    for tokens_per_s in (90.0, 300.0, 100.0):
        results.add("direct", "flat out 1", {"tokens_per_s": 1000.0})
        results.add("ours", "flat out 1", {"tokens_per_s": tokens_per_s})
    results.machine.append({"cpu_s": 0.1, "wall_s": 0.2, "load_average": 1.5})
    report.write(results, tmp_path)
    row = next(line for line in (tmp_path / "results.md").read_text().splitlines() if line.startswith("| ours"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["ours", "100", "90 to 300", "", "", "", "0.100"]
    assert (tmp_path / "throughput.svg").read_text().count("<rect") == 1 + 2 * 2


def test_the_tables_go_to_their_place_in_the_documentation(tmp_path: Path) -> None:
    results = Results(["ours"])
    results.machine.append({"cpu_s": 0.1, "wall_s": 0.2, "load_average": 1.5})
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs/performance.md").read_text())
    before, after = page.read_text().split(report.BEGIN)[0], page.read_text().split(report.END)[1]
    for speed in (1111.0, 2222.0):
        results.add("ours", "flat out 1", {"tokens_per_s": speed})
        report.publish(results, page)
    assert page.read_text() == f"{before}{report.BEGIN}{report.PLOT}\n{report.tables(results)}{report.END}{after}"
    assert "1,111 to 2,222" in page.read_text()


def _take_all(received: Received, texts: tuple[str, ...] | list[str]) -> None:
    for text in texts:
        received.take(text, at=0.0)
    received.end()

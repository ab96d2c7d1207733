"""Usage figures over the API, for runs whose numbers are known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.accounts import Member
from tests.client import Json
from tests.operations import ECHO, complete_run, create_agent
from tests.upstream.replies import Usage, failure, text
from tests.upstream.server import Upstream

TOTALS = """
runs failedRuns llmCalls cachedLlmCalls inputTokens outputTokens costUsd
runDurationMs { p50 p95 p99 } timeToFirstTokenMs { p50 p95 p99 }
"""
USAGE = f"""query ($id: ID!, $from: DateTime!, $to: DateTime!, $interval: UsageInterval! = DAY, $by: UsageDimension) {{
  workspace(id: $id) {{
    usage(from: $from, to: $to, interval: $interval, groupBy: $by) {{
      totals {{ {TOTALS} }} series {{ at totals {{ {TOTALS} }} }} groups {{ key label totals {{ {TOTALS} }} }}
    }}
  }}
}}"""
NOTHING = {
    "runs": 0,
    "failedRuns": 0,
    "llmCalls": 0,
    "cachedLlmCalls": 0,
    "inputTokens": 0,
    "outputTokens": 0,
    "costUsd": "0",
    "runDurationMs": None,
    "timeToFirstTokenMs": None,
}


def this_day() -> dict[str, str]:
    """From an hour ago to an hour ahead."""
    now = datetime.now(UTC)
    return {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}


async def usage(member: Member, **variables: Any) -> Json:
    data = await member.client.execute(USAGE, id=member.workspace_id, **this_day() | variables)
    report: Json = data["workspace"]["usage"]
    return report


def counts(totals: Json) -> tuple[int, ...]:
    """Runs, failed runs, calls, input and output tokens."""
    return tuple(totals[name] for name in ("runs", "failedRuns", "llmCalls", "inputTokens", "outputTokens"))


async def test_figures_are_exact(ada: Member, upstream: Upstream) -> None:
    model = upstream.serve(
        text("a", usage=Usage(10, 3, cached_tokens=2)), text("b", usage=Usage(20, 4)), failure(400, "No.")
    )
    name = f"openai_compatible/{model}"
    talker, echo = await create_agent(ada, name), await create_agent(ada)
    for _ in range(3):
        await complete_run(ada, talker)
    run = await complete_run(ada, echo, "one two three four")
    spoken = (run["usage"]["inputTokens"], run["usage"]["outputTokens"])
    assert spoken == (4, 4)

    report = await usage(ada)
    assert counts(report["totals"]) == (4, 1, 4, 34, 11)
    assert (report["totals"]["costUsd"], report["totals"]["cachedLlmCalls"]) == ("0", 0)
    assert 0 < report["totals"]["runDurationMs"]["p50"] <= report["totals"]["runDurationMs"]["p99"]
    assert report["totals"]["timeToFirstTokenMs"]["p50"] > 0
    assert report["groups"] == []

    async def groups(by: str) -> dict[str, tuple[int, ...]]:
        report = await usage(ada, by=by)
        return {group["key"]: counts(group["totals"]) for group in report["groups"]}

    assert await groups("AGENT") == {talker["id"]: (3, 1, 3, 30, 7), echo["id"]: (1, 0, 1, 4, 4)}
    assert await groups("MODEL") == {name: (3, 1, 3, 30, 7), ECHO: (1, 0, 1, 4, 4)}
    assert await groups("PROVIDER") == {"OPENAI_COMPATIBLE": (3, 1, 3, 30, 7), "SCRIPTED": (1, 0, 1, 4, 4)}
    assert await groups("STATUS") == {"SUCCEEDED": (3, 0, 3, 34, 11), "FAILED": (1, 1, 1, 0, 0)}
    [by_key] = (await groups("API_KEY")).values()
    assert by_key == (4, 1, 4, 34, 11)
    labels = {group["key"]: group["label"] for group in (await usage(ada, by="AGENT"))["groups"]}
    assert labels == {talker["id"]: "Greeter", echo["id"]: "Greeter"}


@pytest.mark.parametrize(
    ("interval", "start", "end", "buckets"),
    [
        ("DAY", "2026-03-01T12:00:00Z", "2026-03-03T00:00:01Z", 3),
        ("HOUR", "2026-03-01T23:59:00Z", "2026-03-02T01:00:00Z", 2),
        ("MINUTE", "2026-03-01T00:00:30+01:00", "2026-03-01T00:02:00+01:00", 2),
    ],
)
async def test_every_bucket_of_the_range_is_there(
    ada: Member, interval: str, start: str, end: str, buckets: int
) -> None:
    report = await usage(ada, **{"from": start, "to": end}, interval=interval)
    assert report["totals"] == NOTHING
    assert [point["totals"] for point in report["series"]] == [NOTHING] * buckets
    first = datetime.fromisoformat(report["series"][0]["at"])
    assert first <= datetime.fromisoformat(start)
    assert report["series"][0]["at"].endswith("Z")


async def test_a_run_counts_in_the_bucket_of_its_creation(ada: Member) -> None:
    run = await complete_run(ada, await create_agent(ada))
    report = await usage(ada, interval="MINUTE")
    [point] = [point for point in report["series"] if point["totals"]["runs"]]
    assert point["totals"] == report["totals"]
    created = datetime.fromisoformat(run["createdAt"])
    assert datetime.fromisoformat(point["at"]) == created.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, ["from"]),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, ["from"]),
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z", "interval": "MINUTE"}, ["interval"]),
        ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, ["interval"]),
    ],
    ids=str,
)
async def test_a_range_that_cannot_be_is_a_validation_error(
    ada: Member, variables: dict[str, str], path: list[str]
) -> None:
    result = await ada.client.send(USAGE, id=ada.workspace_id, **variables)
    [error] = result.errors
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("VALIDATION_FAILED", path)


@pytest.mark.parametrize("moment", ["x", "", "2026-13-01T00:00:00Z", "2026-03-01T25:00:00Z", 5, "\x00", None])
async def test_what_is_no_moment_is_the_clients_fault(ada: Member, moment: object) -> None:
    result = await ada.client.send(USAGE, id=ada.workspace_id, **this_day() | {"from": moment})
    assert result.codes == ["VALIDATION_FAILED"]

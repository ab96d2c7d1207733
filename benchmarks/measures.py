"""The single measurements, each of one system at one moment."""

from typing import Any

from benchmarks.answers import FLAT_OUT, PACED, PACED_HZ, SHORT, TOKENS
from benchmarks.processes import load
from benchmarks.systems import System

Figures = dict[str, float]

REQUESTS = 500
CONNECTIONS = 4
START_SECONDS = 4.0
START_CONNECTIONS = 16
# Half of what a process is to start in a second at least.
START_RATE = 75.0
PAGE_RUNS = 100
TYPENAME = "{ __typename }"
PAGE = """
query ($agentId: ID!) {
  agent(id: $agentId) {
    runs(first: 100) { nodes { id status input createdAt startedAt finishedAt } }
  }
}"""


def flat_out(system: System, upstream_port: int, at_once: int, each: int) -> Figures:
    """Streams as fast as they go: all of ``at_once`` clients begin together, and read ``each`` one after the other."""
    return _streams(system, upstream_port, model=FLAT_OUT, at_once=at_once, each=each)


def paced(system: System, upstream_port: int, at_once: int) -> Figures:
    """Streams at the pace of a model, begun within a second."""
    return _streams(system, upstream_port, model=PACED, at_once=at_once, each=1, spread_s=len(TOKENS) / PACED_HZ / 5)


def _streams(system: System, upstream_port: int, **job: Any) -> Figures:
    before = system.cpu_s()
    done = load("streams", **asking(system, upstream_port), **job)
    # What its streams leave a server to do when they have ended is theirs too.
    system.settle()
    after, tokens = system.cpu_s(), done["tokens"]
    used = {kind: after[kind] - before[kind] for kind in after}
    used["all"] = sum(used.values())
    return {
        "tokens_per_s": tokens / done["wall_s"],
        "first_token_ms": done["first_token_s"] * 1000,
        "lag_p50_ms": done["lag_p50_s"] * 1000,
        "lag_p99_ms": done["lag_p99_s"] * 1000,
        **{f"{kind}_cpu_s_per_1000_tokens": seconds / tokens * 1000 for kind, seconds in used.items()},
    }


def asking(system: System, upstream_port: int) -> dict[str, Any]:
    """The part of a job of streams that says whom to ask."""
    return {
        "client": system.client,
        "ports": system.ports,
        "upstream_port": upstream_port,
        "token": system.token,
        "agents": system.agents,
    }


def starts(system: System) -> Figures:
    """startRun over HTTP: as many as go, then half as many a second, then `START_RATE`."""
    job = {
        "port": system.ports[0],
        "token": system.token,
        "agents": system.agents,
        "seconds": START_SECONDS,
        "connections": START_CONNECTIONS,
    }
    most = load("starts", rate=None, **job)["starts_per_s"]
    system.settle()
    half = load("starts", rate=most / 2, **job)
    system.settle()
    steady = load("starts", rate=START_RATE, **job)
    return {
        "starts_per_s": most,
        "start_p50_ms_at_half": half["latency_p50_s"] * 1000,
        "start_p95_ms_at_half": half["latency_p95_s"] * 1000,
        "start_p50_ms": steady["latency_p50_s"] * 1000,
        "start_p95_ms": steady["latency_p95_s"] * 1000,
    }


def requests(system: System) -> Figures:
    """The server's CPU for one operation over HTTP, by a caller who is known."""
    return {
        "typename_cpu_us": _request(system, TYPENAME, {}),
        # Of this agent every system has runs, from `starts`.
        "page_cpu_us": _request(system, PAGE, {"agentId": system.agents[SHORT]}, holds=PAGE_RUNS),
    }


def _request(system: System, document: str, variables: dict[str, str], holds: int = 0) -> float:
    job = {
        "port": system.ports[0],
        "token": system.token,
        "document": document,
        "variables": variables,
        "connections": CONNECTIONS,
        "holds": holds,
    }
    load("requests", count=20, **job)
    before = system.cpu_s()
    load("requests", count=REQUESTS, **job)
    return (system.cpu_s()["server"] - before["server"]) / REQUESTS * 1e6

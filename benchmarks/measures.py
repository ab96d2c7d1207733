"""The single measurements, each of one system at one moment."""

import time
from typing import Any

from benchmarks.answers import FLAT_OUT, PACED, PACED_HZ, SHORT, TOKENS
from benchmarks.processes import load
from benchmarks.systems import System

Figures = dict[str, float]

REQUESTS = 500
CONNECTIONS = 4
START_SECONDS = 4.0
START_CONNECTIONS = 16
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
    server, postgres = system.cpu_s()
    done = load(
        "streams",
        client=system.client,
        port=system.port,
        upstream_port=upstream_port,
        token=system.token,
        agents=system.agents,
        **job,
    )
    server_after, postgres_after = system.cpu_s()
    tokens = done["tokens"]
    return {
        "tokens_per_s": tokens / done["wall_s"],
        "first_token_ms": done["first_token_s"] * 1000,
        "lag_p50_ms": done["lag_p50_s"] * 1000,
        "lag_p99_ms": done["lag_p99_s"] * 1000,
        "server_cpu_s_per_1000_tokens": (server_after - server) / tokens * 1000,
        "postgres_cpu_s_per_1000_tokens": (postgres_after - postgres) / tokens * 1000,
    }


def starts(system: System) -> Figures:
    """startRun over HTTP: as many as go, then half as many a second."""
    job = {
        "port": system.port,
        "token": system.token,
        "agents": system.agents,
        "seconds": START_SECONDS,
        "connections": START_CONNECTIONS,
    }
    most = load("starts", rate=None, **job)["starts_per_s"]
    half = load("starts", rate=most / 2, **job)
    return {
        "starts_per_s": most,
        "start_p50_ms_at_half": half["latency_p50_s"] * 1000,
        "start_p95_ms_at_half": half["latency_p95_s"] * 1000,
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
        "port": system.port,
        "token": system.token,
        "document": document,
        "variables": variables,
        "connections": CONNECTIONS,
        "holds": holds,
    }
    load("requests", count=20, **job)
    before, _ = system.cpu_s()
    load("requests", count=REQUESTS, **job)
    after, _ = system.cpu_s()
    return (after - before) / REQUESTS * 1e6


def settle(system: System, limit_s: float = 60.0) -> None:
    """Wait until the server has done what it was left with: until it uses next to nothing for a second."""
    deadline = time.monotonic() + limit_s
    used = sum(system.cpu_s())
    while time.monotonic() < deadline:
        time.sleep(1.0)
        used, before = sum(system.cpu_s()), used
        if used - before < 0.1:
            return

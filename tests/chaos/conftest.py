"""A deployment for all faults, one after the other, and the figures at the end.

``CHAOS_SEED`` (1) decides about all that is left to chance, ``CHAOS_ROUNDS`` (1) how often each fault comes,
``CHAOS_KILLS`` (20) how often a round kills a worker, and ``CHAOS_FLOOD`` (1000) how many runs one workspace starts at
once.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from random import Random

import pytest

from models.database import open_connection
from tests.chaos.cluster import Cluster, deployed
from tests.chaos.experiment import Experiment
from tests.chaos.figures import Figures
from tests.servers.postgres import TestPostgres, create_database
from tests.servers.redis import RedisServer, redis_server
from tests.upstream.server import Upstream

__all__ = ["redis_server"]

SEED = os.environ.get("CHAOS_SEED", "1")
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
FLOOD = int(os.environ.get("CHAOS_FLOOD", "1000"))

_FIGURES = pytest.StashKey[Figures]()
_STARTED = pytest.StashKey[float]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.fixturenames.append("round_number")
    metafunc.parametrize("round_number", range(1, ROUNDS + 1))


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    pytestconfig.stash[_STARTED] = time.monotonic()
    return pytestconfig.stash.setdefault(_FIGURES, Figures())


@pytest.fixture(scope="session")
async def cluster(
    figures: Figures, postgres: TestPostgres, redis_server: RedisServer, upstream: Upstream
) -> AsyncIterator[Cluster]:
    url = await create_database("chaos")
    connection = await open_connection(url)
    # Elsewhere tests are quicker without; here a commit has to outlive the server.
    await connection.execute("ALTER DATABASE chaos SET synchronous_commit = on")
    await connection.close()
    async with deployed(url, redis_server, upstream) as cluster:
        # What processes begin in the background at their start is done by then.
        await asyncio.sleep(1)
        yield cluster


@pytest.fixture
def experiment(request: pytest.FixtureRequest, cluster: Cluster, figures: Figures) -> Experiment:
    return Experiment(cluster, Random(f"{SEED} {request.node.name}"), figures)


@pytest.fixture
def kills() -> int:
    """How many workers to kill."""
    return KILLS


@pytest.fixture
def flood() -> int:
    """How many runs one workspace starts at once."""
    return FLOOD


def pytest_terminal_summary(config: pytest.Config) -> None:
    if (figures := config.stash.get(_FIGURES, None)) is None:
        return
    took, load = time.monotonic() - config.stash[_STARTED], os.getloadavg()[0]
    sys.stdout.write(f"\nseed {SEED}, {took:.0f} s, {os.cpu_count()} cores, load average {load:.1f}\n\n")
    for what, how_much in figures.rows():
        sys.stdout.write(f"  {what:<58} {how_much}\n")

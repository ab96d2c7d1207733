"""What all tests share: a PostgreSQL server per session, a migrated database per process."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models import database
from tests.e2e.endpoint import add_probe
from tests.servers.app import Server, serve, settings_for
from tests.servers.postgres import URL_VARIABLE, TestPostgres, create_database, drop_database
from tests.servers.process import ServerProcess, serve_in_process
from tests.upstream.server import Upstream, run_upstream

MANIFEST = Path(__file__).parents[1] / "clients" / "typescript" / "src" / "generated" / "persisted-documents.json"
STALLED_CLIENT_TIMEOUT_S = 2.0
_POSTGRES = pytest.StashKey[TestPostgres]()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background jobs ignore Ctrl-C, and so would all that they start, tests of Ctrl-C included.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if URL_VARIABLE in os.environ or config.option.collectonly or config.option.help:
        return
    server = TestPostgres()
    asyncio.run(server.prepare())
    os.environ[URL_VARIABLE] = server.url
    config.stash[_POSTGRES] = server


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_POSTGRES, None)
    if server is not None:
        os.environ.pop(URL_VARIABLE)
        server.remove()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests say that they tried, with ``record_property("tried: things", how_many)``, from all processes."""
    tried: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        tried.update({name: value for name, value in report.user_properties if name.startswith("tried: ")})
    for name, count in tried.items():
        terminalreporter.write_line(f"Between tenants, {name.replace(':', '')}: {count:,}")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> TestPostgres:
    """The session's server, for tests that break it; these must be alone in the session."""
    return request.config.stash[_POSTGRES]


@pytest.fixture(scope="session")
async def database_url(worker_id: str) -> AsyncIterator[str]:
    """A migrated database that this test process has to itself. Tests keep apart by making their own workspaces."""
    name = f"test_{worker_id}"
    yield await create_database(name)
    await drop_database(name)


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[None]:
    """The application's pool on that database, for tests below the API."""
    await database.connect(database_url, pool_size=10)
    yield
    await database.close()


@pytest.fixture(scope="session")
async def server(database_url: str, pool: None) -> AsyncIterator[Server]:
    """A server without an executor, on this test process's database. Tests below the API share its pool meanwhile."""
    await database.close()
    settings = settings_for(
        database_url, persisted_documents=MANIFEST, stalled_client_timeout_s=STALLED_CLIENT_TIMEOUT_S
    )
    async with serve(settings) as running:
        add_probe(running)
        yield running
    await database.connect(database_url, pool_size=10)


@pytest.fixture(scope="session")
async def upstream() -> AsyncIterator[Upstream]:
    """One fake upstream per test process. Tests keep apart by the model names that `Upstream.serve` gives them."""
    async with run_upstream() as running:
        yield running


@pytest.fixture(scope="session")
async def executing_url(worker_id: str) -> AsyncIterator[str]:
    """A database for servers that execute runs."""
    name = f"executing_{worker_id}"
    url = await create_database(name)
    yield url
    await drop_database(name)


@pytest.fixture(scope="session")
async def executing(executing_url: str, upstream: Upstream) -> AsyncIterator[ServerProcess]:
    """A server that executes runs, in a process of its own; the models of ``upstream`` are openai_compatible/ there."""
    async with serve_in_process(executing_url, upstream) as running:
        yield running

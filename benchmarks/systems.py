"""What is measured: each with its server processes, started one after the other and kept until the end."""

import asyncio
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from benchmarks.answers import FLAT_OUT, PACED, SHORT
from benchmarks.processes import await_status_200, cpu_s, free_port, rss_mb, run, running
from commands.accounts import sign_up
from commands.client import GraphQLClient
from models.embedded import start_postgres

# Pages of a server that has just started are still being touched.
IDLE_S = 1.0
# One user does what hundreds would do, and as many streams run at once as are asked for. Nothing else differs from what
# `synapse serve` does by itself.
CONCURRENCY = ("RUN_CONCURRENCY", "WORKSPACE_RUN_CONCURRENCY", "AGENT_RUN_CONCURRENCY")
MOST_RUNS = 512
LIMITS = ("CALLER_BURST_COST", "CALLER_COST_PER_SECOND", "SOCKETS_PER_USER", "SOCKETS_PER_ADDRESS")
NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class System:
    """A running system. ``postgres_pid``: of its database, if it has one. ``streams``: whether it answers."""

    name: str
    client: str
    port: int
    server_pid: int
    cold_start_s: float = 0.0
    idle_rss_mb: float = 0.0
    postgres_pid: int | None = None
    token: str | None = None
    agents: dict[str, str] = field(default_factory=dict)
    streams: bool = True

    def cpu_s(self) -> tuple[float, float]:
        """What the server, and its database, have used so far, in seconds of CPU."""
        return cpu_s(self.server_pid), cpu_s(self.postgres_pid) if self.postgres_pid else 0.0


@contextmanager
def upstream(log: Path) -> Iterator[System]:
    """The model provider, which is the first system too: read directly."""
    port = free_port()
    with running(["-m", "benchmarks.upstream", str(port)], log) as process:
        await_status_200(process, port, "/times")
        yield System("direct", "direct", port, process.pid)


@contextmanager
def passing(name: str, upstream_port: int, log: Path) -> Iterator[System]:
    """The server in ``benchmarks/servers/with_NAME.py``, under uvicorn."""
    port, began = free_port(), time.monotonic()
    arguments = ["-m", "uvicorn", f"benchmarks.servers.with_{name}:app", "--port", str(port), "--log-level", "warning"]
    upstream_url = f"http://127.0.0.1:{upstream_port}/v1"
    with running(arguments, log, UPSTREAM=upstream_url, LITELLM_LOCAL_MODEL_COST_MAP="True") as process:
        await_status_200(process, port, "/?query={ready}")
        cold_start_s = time.monotonic() - began
        time.sleep(IDLE_S)
        name = f"strawberry + {name}"
        yield System(name, "passing", port, process.pid, cold_start_s, rss_mb(process.pid))


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """The URL of an embedded PostgreSQL with its own defaults, and its process."""
    server = start_postgres(folder)
    try:
        yield server.get_uri(), int((folder / "postmaster.pid").read_text().splitlines()[0])
    finally:
        server.cleanup()


async def create_database(postgres_url: str, name: str) -> str:
    """The URL of a new database, not migrated yet."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return postgres_url.replace("/postgres?", f"/{name}?")


@contextmanager
def synapse(
    upstream_port: int, postgres_url: str, postgres_pid: int, log: Path, *, with_executor: bool = True
) -> Iterator[System]:
    """`synapse serve` on a migrated database of its own, with an account and agents."""
    name = "synapse" if with_executor else "synapse --no-executor"
    database_url = asyncio.run(create_database(postgres_url, f"bench_{secrets.token_hex(4)}"))
    port = free_port()
    environment = {
        "DATABASE_URL": database_url,
        "SECRET_KEYS": f"bench:{b64encode(secrets.token_bytes(32)).decode()}",
        "PORT": str(port),
        **dict.fromkeys(CONCURRENCY, str(MOST_RUNS)),
        **dict.fromkeys(LIMITS, str(NO_LIMIT)),
        "ACCESS_TOKEN_MINUTES": "60",
        "LOG_LEVEL": "warning",
        "OPENAI_COMPATIBLE_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
    }
    run(["-m", "cli", "migrate"], **environment)
    began = time.monotonic()
    with running(["-m", "cli", "serve", *([] if with_executor else ["--no-executor"])], log, **environment) as process:
        await_status_200(process, port, "/readyz")
        cold_start_s = time.monotonic() - began
        time.sleep(IDLE_S)
        idle_rss_mb = rss_mb(process.pid)
        token, agents = asyncio.run(_agents(port))
        started = (port, process.pid, cold_start_s, idle_rss_mb, postgres_pid, token, agents)
        yield System(name, "synapse", *started, streams=with_executor)


async def _agents(port: int) -> tuple[str, dict[str, str]]:
    """A token, and the id of an agent on each of the upstream's models."""
    async with GraphQLClient(f"http://127.0.0.1:{port}") as client:
        account = await sign_up(client, "bench@example.com", secrets.token_hex(16), "Bench", "Bench")
        models = (FLAT_OUT, PACED, SHORT)
        agents = {model: await account.agent_named(model, f"openai_compatible/{model}") for model in models}
        assert client.token is not None
        return client.token, agents

"""Synapse as operators run it: `synapse serve` and `synapse worker`, in processes of their own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.servers.app import NO_LIMIT, SECRET_KEYS, Address
from tests.servers.command import Command, command
from tests.upstream.server import Upstream


@dataclass(frozen=True, slots=True)
class ServerProcess(Address):
    """A running server and its process."""

    command: Command


@asynccontextmanager
async def serve_in_process(
    database_url: str, upstream: Upstream, *options: str, **environment: str
) -> AsyncIterator[ServerProcess]:
    """As `serving`.

    Raises:
        AssertionError: at the end, when it logged an unexpected failure.
    """
    async with serving(database_url, upstream, *options, **environment) as server:
        yield server
    assert not failures_in(server.command), server.command.output


@asynccontextmanager
async def serving(
    database_url: str, upstream: Upstream, *options: str, **environment: str
) -> AsyncIterator[ServerProcess]:
    """A server on a free port for the length of the block, with the scripted models and those of ``upstream``.

    ``options`` are of `synapse serve`, and ``environment`` holds more settings.
    """
    async with command("serve", *options, **_settings(database_url, upstream) | environment) as running:
        start = '{"address": "'
        rest = await running.line(start)
        yield ServerProcess(json.loads(start + rest)["address"], running)


@asynccontextmanager
async def working(database_url: str, upstream: Upstream, **environment: str) -> AsyncIterator[Command]:
    """A worker that takes runs for the length of the block; else as `serving`."""
    async with command("worker", **_settings(database_url, upstream) | environment) as running:
        await running.line('{"event": "waiting for runs"')
        yield running


def failures_in(process: Command) -> list[str]:
    """The lines in which a process told of an unexpected failure."""
    # Libraries warn with tracebacks when the database is away, and go on; what we log ourselves names no logger.
    return [
        line
        for line in process.lines
        if '"level": "error"' in line or ("Traceback" in line and '"logger": ' not in line)
    ]


def _settings(database_url: str, upstream: Upstream) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "SECRET_KEYS": SECRET_KEYS,
        "PORT": "0",
        "OPENAI_COMPATIBLE_BASE_URL": upstream.base_url,
        "OPENAI_COMPATIBLE_API_KEY": "upstream-key",
        "OPENAI_COMPATIBLE_MODELS": "listed",
        "ALLOW_PRIVATE_ADDRESSES": "true",
        "INTROSPECTION": "true",
        "SCRIPTED_PROVIDER": "true",
        "DATABASE_POOL_SIZE": "5",
        "PROVIDER_RETRY_PAUSE_S": "0.02",
        "CALLER_BURST_COST": str(NO_LIMIT),
        "CALLER_COST_PER_SECOND": str(NO_LIMIT),
        # Runs that a test left hanging need not be waited for.
        "SHUTDOWN_GRACE_S": "0",
    }

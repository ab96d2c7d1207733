"""The server as operators run it: `synapse serve`, in a process of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.servers.app import SECRET_KEYS, Address
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
    """A server on a free port for the length of the block, with the scripted models and those of ``upstream``.

    ``options`` are of `synapse serve`, and ``environment`` holds more settings.

    Raises:
        AssertionError: at the end, when it logged an unexpected failure.
    """
    settings = {
        "DATABASE_URL": database_url,
        "SECRET_KEYS": SECRET_KEYS,
        "PORT": "0",
        "OPENAI_COMPATIBLE_BASE_URL": upstream.base_url,
        "OPENAI_COMPATIBLE_API_KEY": "upstream-key",
        "OPENAI_COMPATIBLE_MODELS": "listed",
        "ALLOW_PRIVATE_ADDRESSES": "true",
        "SCRIPTED_PROVIDER": "true",
        "DATABASE_POOL_SIZE": "5",
        "PROVIDER_RETRY_PAUSE_S": "0.02",
        # Runs that a test left hanging need not be waited for.
        "SHUTDOWN_GRACE_S": "0",
    }
    async with command("serve", *options, **settings | environment) as running:
        start = '{"address": "'
        rest = await running.line(start)
        yield ServerProcess(json.loads(start + rest)["address"], running)
    failures = [line for line in running.lines if '"level": "error"' in line or "Traceback" in line]
    assert not failures, running.output

"""The whole server under uvicorn, on a free port of the loopback interface, in the test's own event loop."""

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette

from asgi import create_app  # noqa: TID251  # tests compose the application, too
from core.settings import Settings
from tests.client import Client

SECRET_KEYS = f"test:{b64encode(b'k' * 32).decode()}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: ``url`` is its origin, as in http://127.0.0.1:40123."""

    url: str

    def client(self, token: str | None = None, path: str = "/graphql") -> Client:
        """A client of its own connections; anonymous without a token."""
        return Client(f"{self.url}{path}", token)


@dataclass(frozen=True, slots=True)
class Server(Address):
    """A server that runs in this process."""

    app: Starlette
    settings: Settings


def settings_for(database_url: str, **overrides: Any) -> Settings:
    usual: dict[str, Any] = {
        "database_url": database_url,
        "secret_keys": SECRET_KEYS,
        "log_level": "debug",
        "allow_private_addresses": True,
        "provider_retry_pause_s": 0.02,
    }
    return Settings(**usual | overrides)


@asynccontextmanager
async def serve(settings: Settings, *, with_executor: bool = False) -> AsyncIterator[Server]:
    """A server for the length of the block; what it needs is up once the block begins.

    Raises:
        RuntimeError: it refused to start; the log says why.
    """
    app = create_app(settings, with_executor=with_executor)
    config = uvicorn.Config(app, lifespan="on", log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(_serve(server, listener))
        while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        if serving.done():
            raise RuntimeError("The server did not start.")
        try:
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", app, settings)
        finally:
            server.should_exit = True
            await serving


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # A server that may not start would end the test process.
    with suppress(SystemExit):
        await server.serve(sockets=[listener])

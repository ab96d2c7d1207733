"""The whole server as `synapse serve` runs it, on a free port of the loopback interface, in the test's event loop."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from asgi import create_app  # noqa: TID251  # tests compose the application, too
from commands.serve import address_of, listen, serving
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


# One person asks for more at once than people do.
NO_LIMIT = 10**9


def settings_for(database_url: str, **overrides: Any) -> Settings:
    usual: dict[str, Any] = {
        "database_url": database_url,
        "secret_keys": SECRET_KEYS,
        "log_level": "debug",
        "allow_private_addresses": True,
        "introspection": True,
        "caller_burst_cost": NO_LIMIT,
        "caller_cost_per_second": NO_LIMIT,
        "provider_retry_pause_s": 0.02,
    }
    return Settings(**usual | overrides)


@asynccontextmanager
async def serve(settings: Settings, *, with_executor: bool = False) -> AsyncIterator[Server]:
    """A server for the length of the block; what it needs is up once the block begins. Raises StartupRefused."""
    app = create_app(settings, with_executor=with_executor)
    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener, settings):
            yield Server(address_of(listener), app, settings)

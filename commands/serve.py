"""`synapse serve`: the API, and with it an executor of runs unless others do that."""

import asyncio
import errno
import socket
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from asgi import create_app  # noqa: TID251 - the command line is an entry point too
from commands.configuration import read_settings
from commands.garbage import spare_what_is_loaded
from commands.http_protocol import HttpProtocol
from commands.signals import run_until_stopped
from commands.terminal import CommandFailed
from commands.websocket_protocol import Config, WebSocketProtocol
from core.settings import Settings
from models.database import require_reachable
from schema.requests import MAX_BODY_BYTES

BACKLOG = 2048
# For answers under way at the end; streams are ended at once, as their clients can subscribe again elsewhere.
GRACE_S = 10
# How long the event loop may take to make connections of what it has accepted.
ACCEPTED_S = 0.05
# Of what is not sent yet, this much waits in the kernel. The rest can still be merged.
UNSENT_BYTES = 128 * 1024
# A peer that answers no ping is gone after 60 s, too.
PING_INTERVAL_S = 20
PING_TIMEOUT_S = 40

_log = structlog.get_logger(__name__)


def run(arguments: Namespace) -> int:
    settings = read_settings()
    run_until_stopped(lambda: _serve(settings, with_executor=arguments.executor), second_kills=True)
    return 0


async def _serve(settings: Settings, with_executor: bool) -> None:
    await require_reachable(settings.database_url)
    with listen(settings.host, settings.port) as listener:
        app = create_app(settings, with_executor=with_executor)
        async with serving(app, listener, settings) as serving_task:
            _log.info("listening", address=address_of(listener))
            await serving_task


def listen(host: str, port: int) -> socket.socket:
    """Takes the port, before anything else is started in vain. Raises CommandFailed when that can't be done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandFailed(f"Port {port} is taken. PORT names another one.", exit_code=2) from None
        raise CommandFailed(f"Can't listen on {host}, port {port}: {error.strerror}.", exit_code=2) from None


def address_of(listener: socket.socket) -> str:
    """Under which clients on this machine reach what listens there: http://127.0.0.1:8000."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Tells when it accepts connections, and leaves signals to `run_until_stopped`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # Whoever was accepted last becomes a connection, which can be told to go elsewhere, some turns later.
        await asyncio.sleep(ACCEPTED_S)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette, listener: socket.socket, settings: Settings) -> AsyncIterator[asyncio.Future[None]]:
    """Serves ``app`` within the block, at whose end open requests get `GRACE_S` seconds more.

    The future that it gives ends only if the server does. A connection whose peer takes nothing of what is sent to it
    for the time that is set is cut, where the system is Linux.
    """
    if sys.platform == "linux":
        # Every connection inherits them. Only the kernel knows whether a peer that is slow still takes something.
        timeout_ms = round(settings.stalled_client_timeout_s * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    config = Config(
        app,
        settings.stalled_client_timeout_s,
        forwarded_allow_ips=settings.trusted_proxies,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MAX_BODY_BYTES,
        # A few kilobytes of it grow to a thousand times as much, message after message.
        ws_per_message_deflate=False,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        # Entered here instead, where what it raises arrives as it is.
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    async with app.router.lifespan_context(app):
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.is_ready.wait()
            spare_what_is_loaded()
            # Whoever waits for it may be cancelled. The server may not, or it would drop its requests.
            yield asyncio.shield(task)
        finally:
            # Streams would last as long as their runs.
            app.state.runtime.stopping.set()
            server.should_exit = True
            await task

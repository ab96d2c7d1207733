"""The composition root: from settings to a server. Every part is made here and handed to those who need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from core.auth import KeyRing
from core.envelopes import Envelopes
from core.logs import configure_logs
from core.settings import Settings
from core.turns import Turns
from engine.executor import Executor
from models import database, migrate
from models.presence import presence
from providers.registry import Providers
from resolvers.context import Runtime
from resolvers.health import OK, readiness
from schema.http import GraphQLEndpoint
from schema.middleware import Cors, Straight
from schema.request_ids import HEADER, RequestIds
from schema.responses import internal_error
from schema.schema import schema
from services.doorbell import Doorbell
from services.persisted_documents import PersistedDocuments
from streaming.buckets import buckets_from_url
from streaming.bus import Bus
from streaming.event_log import EventLog

GRAPHIQL = Path(__file__).parent / "graphiql" / "dist"

log = structlog.get_logger(__name__)


def create_app(settings: Settings, *, with_executor: bool = True) -> Starlette:
    """The ASGI application. Its lifespan opens and closes all that it stands on, with an executor of runs if so wanted.

    Raises:
        StartupRefused: at start-up: malformed secret keys or persisted documents, a database schema that this version
            does not know, or a second process without Redis.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        configure_logs(settings.log_level, settings.log_format)
        async with (
            running(settings, with_executor=with_executor) as runtime,
            runtime.revocations.listening(settings.database_url),
        ):
            app.state.runtime = runtime
            yield

    endpoint = GraphQLEndpoint(schema, GRAPHIQL if settings.introspection else None)
    cors = Middleware(
        Cors,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=[HEADER],
        max_age=86_400,
    )
    return Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            *([Mount("/graphiql", StaticFiles(directory=GRAPHIQL, check_dir=False))] if settings.introspection else []),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        middleware=[Middleware(RequestIds), cors, Middleware(Straight, path="/graphql", endpoint=endpoint)],
        exception_handlers={Exception: internal_error},
        lifespan=lifespan,
    )


@asynccontextmanager
async def running(settings: Settings, *, with_executor: bool) -> AsyncIterator[Runtime]:
    """The parts of the process, for as long as the block lasts."""
    secret_keys = settings.secret_keys.get_secret_value()
    keys, envelopes = KeyRing.parse(secret_keys), Envelopes.parse(secret_keys)
    bus, buckets = Bus.from_url(settings.redis_url), buckets_from_url(settings.redis_url)
    providers, doorbell, turns = Providers(settings), Doorbell(), Turns()
    documents = PersistedDocuments.from_manifest(settings.persisted_documents)
    await migrate.require_current(settings.database_url)
    async with presence(settings.database_url, alone=settings.redis_url is None):
        await database.connect(settings.database_url, settings.database_pool_size)
        try:
            async with bus, executing(settings, providers, bus, doorbell, turns) if with_executor else nullcontext():
                yield Runtime(settings, keys, envelopes, bus, providers, documents, buckets, doorbell, turns)
        finally:
            await buckets.aclose()
            await providers.aclose()
            await database.close()


@asynccontextmanager
async def executing(
    settings: Settings, providers: Providers, bus: Bus, doorbell: Doorbell, turns: Turns
) -> AsyncIterator[None]:
    """Takes runs from the queue within the block; at its end those at hand get some time, and the rest goes back."""
    event_log = EventLog(bus, providers.ticks)
    await event_log.start()
    executor = Executor(settings, providers, bus, event_log, doorbell, turns)
    await executor.start()
    try:
        yield
    finally:
        await executor.stop(settings.shutdown_grace_s)
        await event_log.aclose()


async def healthz(request: Request) -> Response:
    """The process runs."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """The process can serve; or what is in the way of it."""
    checks = await readiness(request.app.state.runtime.bus)
    return JSONResponse(checks, 200 if set(checks.values()) == {OK} else 503)

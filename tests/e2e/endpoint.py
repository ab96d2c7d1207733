"""A second endpoint beside the product's own, whose schema does on purpose what ours should never do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import strawberry
from starlette.routing import Route, WebSocketRoute

from core.errors import Forbidden, ValidationFailed
from models.users import User
from schema.errors import ForbiddenError
from schema.execution import Schema
from schema.http import GraphQLEndpoint
from schema.info import Info
from schema.scalars import JSON
from tests.servers.app import Server

PATH = "/probe"
IMPATIENT_PATH = "/impatient"
IMPATIENCE = timedelta(seconds=0.2)
PUSHED: dict[str, asyncio.Queue[int]] = {}
TAKEN: dict[str, int] = {}
SECRET = "postgresql://user:secret@host"

begun: list[str] = []
ended: list[str] = []
"""Names of fields that began their work, and of those that ended it, one way or another."""


@strawberry.type
class Tick:
    number: int


@strawberry.type
class Query:
    @strawberry.field
    async def crash(self) -> int:
        raise RuntimeError(SECRET)

    @strawberry.field
    async def maybe(self) -> int | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    async def unspeakable(self) -> str:
        """What can't be written as UTF-8."""
        return "\ud800"

    @strawberry.field
    async def refuse(self) -> int:
        raise ValidationFailed("Too much.", ("input", "amount"))

    @strawberry.field
    async def huge(self) -> JSON:
        """What JSON can't express."""
        return JSON([10**30])

    @strawberry.field
    async def wait(self, name: str) -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)
        return 1

    @strawberry.field
    async def request_id(self, info: Info) -> str:
        return info.context.request_id

    @strawberry.field
    async def name(self, info: Info) -> str:
        """Of the caller, read through the operation's batches."""
        return (await info.context.get(User, info.context.require_principal().id)).name


@strawberry.type
class Done:
    ok: bool


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def forbid(self) -> Done | ForbiddenError:
        raise Forbidden("Not you.")

    @strawberry.mutation
    async def take(self, of: str) -> int:
        """What a test puts into the queue of that name, which is there until then."""
        queue = PUSHED[of] = asyncio.Queue()
        try:
            TAKEN[of] = await queue.get()
        finally:
            del PUSHED[of]
        return TAKEN[of]

    @strawberry.mutation
    async def work(self, name: str) -> Done:
        """Takes two steps."""
        begun.append(name)
        await asyncio.sleep(0.1)
        ended.append(name)
        return Done(ok=True)

    @strawberry.mutation
    async def invalidate(self) -> Done | ForbiddenError:
        raise ValidationFailed("Not that.")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def pushed(self, to: str) -> AsyncIterator[int]:
        """What tests put into the queue of that name, which is there as long as somebody watches."""
        queue = PUSHED[to] = asyncio.Queue()
        try:
            while True:
                yield await queue.get()
        finally:
            del PUSHED[to]

    @strawberry.subscription
    async def ticks(self, to: int) -> AsyncIterator[Tick]:
        for number in range(1, to + 1):
            await asyncio.sleep(0)
            yield Tick(number=number)

    @strawberry.subscription
    async def silence(self) -> AsyncIterator[int]:
        await asyncio.sleep(60)
        yield 1

    @strawberry.subscription
    async def flood(self, name: str, size: int = 10_000) -> AsyncIterator[str]:
        """As much as its subscriber takes."""
        try:
            while True:
                yield "x" * size
        finally:
            ended.append(name)

    @strawberry.subscription
    async def refuse(self, after: int = 0) -> AsyncIterator[int]:
        for number in range(after):
            yield number
        raise ValidationFailed("Past the end.", ("after",))

    @strawberry.subscription
    async def crash(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError(SECRET)


class Probe(GraphQLEndpoint):
    heartbeat_s = 0.1


def add_probe(server: Server) -> None:
    """Serve the probe beside the product's endpoint."""
    endpoint = Probe(Schema(Query, Mutation, Subscription), Path("/nowhere"))
    server.app.router.routes.extend([Route(PATH, endpoint), WebSocketRoute(PATH, endpoint)])
    impatient = GraphQLEndpoint(Schema(Query), Path("/nowhere"))
    impatient.connection_init_wait_timeout = IMPATIENCE
    server.app.router.routes.append(WebSocketRoute(IMPATIENT_PATH, impatient))

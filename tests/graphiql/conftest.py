"""A small server to open the page on: what is under test is the page, so the server only repeats what it was told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import Info

DIST = Path(__file__).parents[2] / "graphiql" / "dist"


@strawberry.type
class Agent:
    id: strawberry.ID
    name: str


@strawberry.type
class AgentConnection:
    nodes: list[Agent]


@strawberry.type
class Workspace:
    id: strawberry.ID
    name: str
    slug: str

    @strawberry.field
    def agents(self, first: int = 20) -> AgentConnection:
        return AgentConnection(nodes=[Agent(id=strawberry.ID("agent_1"), name="Greeter")][:first])


@strawberry.type
class Membership:
    role: str
    workspace: Workspace


@strawberry.type
class User:
    name: str
    email: str
    memberships: list[Membership]


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self, info: Info) -> User:
        """Its name is the Authorization header that came with the request."""
        name = info.context["request"].headers["authorization"]
        workspace = Workspace(id=strawberry.ID("ws_1"), name="Demo", slug="demo")
        return User(name=name, email="ada@example.com", memberships=[Membership(role="OWNER", workspace=workspace)])


@strawberry.type
class Tick:
    number: int
    authorization: str


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: Info, to: int) -> AsyncIterator[Tick]:
        """Counts to ``to``, and repeats what connection_init said."""
        for number in range(1, to + 1):
            await asyncio.sleep(0.02)
            yield Tick(number=number, authorization=info.context["connection_params"]["Authorization"])


def _app() -> Starlette:
    graphql = GraphQL[None, None](
        strawberry.Schema(Query, subscription=Subscription),
        graphql_ide=None,
        subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
    )

    async def page(_: Request) -> FileResponse:
        return FileResponse(DIST / "index.html")

    return Starlette(
        routes=[
            Route("/graphql", page, methods=["GET"]),
            Route("/graphql", graphql, methods=["POST"]),
            WebSocketRoute("/graphql", graphql),
            Mount("/graphiql", StaticFiles(directory=DIST)),
        ]
    )


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    """Where the server listens, e.g. http://127.0.0.1:40123."""
    assert (DIST / "index.html").exists(), "The page is not built: run `make graphiql`."
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(_app(), lifespan="off", log_config=None, ws="websockets-sansio"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving

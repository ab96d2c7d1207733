"""Connections, the pages of long lists: https://relay.dev/graphql/connections.htm."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from models.base import Row
from resolvers.pages import Page
from schema.fields import field

NodeT = TypeVar("NodeT")
RowT = TypeVar("RowT", bound=Row)

First = Annotated[int | None, strawberry.argument(description="How many, 1 to 100; null means the default.")]
After = Annotated[str | None, strawberry.argument(description="Start after the edge with this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many, 1 to 100, from the end instead.")]
Before = Annotated[str | None, strawberry.argument(description="End before the edge with this cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; null on an empty page.")


@strawberry.type(description="An object of a list, and its place there.")
class Edge(Generic[NodeT]):
    cursor: str = strawberry.field(description="For `after` and `before`. Opaque.")
    node: NodeT = strawberry.field(description="The object.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[NodeT]):
    """``Connection[Agent]`` is the type ``AgentConnection``, and its edges are ``AgentEdge``."""

    edges: list[Edge[NodeT]] = strawberry.field(description="The page's objects, each with its cursor.")
    nodes: list[NodeT] = strawberry.field(description="The page's objects.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("How many there are on all pages.")
    async def total_count(self) -> int:
        return await self.count()

    @classmethod
    def of(cls, page: Page[RowT], make: Callable[[RowT], Any]) -> "Connection[NodeT]":
        """The connection of a page whose rows ``make`` turns into objects of the schema."""
        nodes = [make(row) for row in page.rows]
        edges = [Edge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        info = PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )
        return Connection(edges=edges, nodes=nodes, page_info=info, count=page.count)

"""Connections, the pages of long lists: https://relay.dev/graphql/connections.htm."""

from typing import Annotated, Any, Generic, TypeVar, cast

import strawberry

from resolvers.pages import Page
from schema.fields import field
from schema.nodes import Node, Nodes

NodeT = TypeVar("NodeT")

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

    page: strawberry.Private[Page[Any]]
    kind: strawberry.Private[type[Node]]

    @field("The page's objects, each with its cursor.")
    def edges(self) -> list[Edge[NodeT]]:
        return [Edge(cursor=self.page.cursor(row), node=cast(NodeT, self.kind.of(row))) for row in self.page.rows]

    @field("The page's objects.")
    def nodes(self) -> list[NodeT]:
        # For the executor, which can do without all the objects.
        return cast(list[NodeT], Nodes(self.kind, self.page.rows))

    @field("Where the page stands in its list.")
    def page_info(self) -> PageInfo:
        cursors = [self.page.cursor(row) for row in (*self.page.rows[:1], *self.page.rows[-1:])]
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )

    @field("How many there are on all pages.")
    async def total_count(self) -> int:
        return await self.page.count()

    @classmethod
    def of(cls, page: Page[Any], kind: type[Node]) -> "Connection[NodeT]":
        """The connection of a page of rows that store objects of one type."""
        return Connection(page=page, kind=kind)

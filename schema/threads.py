"""Conversations, and what was said in them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from core.ids import IdPrefix
from models.end_users import EndUser as EndUserRow
from models.runs import Run as RunRow
from models.threads import Message as MessageRow
from models.threads import MessageRole
from models.threads import Thread as ThreadRow
from resolvers import threads
from schema.end_users import EndUser
from schema.enums import publish_enum
from schema.fields import field
from schema.info import Info
from schema.lookahead import columns_for
from schema.nodes import Node, node_of
from schema.pages import After, Before, Connection, First, Last

if TYPE_CHECKING:
    from schema.runs import Run

publish_enum(
    MessageRole,
    "Who speaks.",
    USER="The person, or the program, that the agent serves.",
    ASSISTANT="The agent.",
    TOOL="A tool that the agent called.",
    SYSTEM="Whoever set the scene.",
)


@strawberry.type(description="What was said at once. Oldest messages of a thread come first.")
class Message(Node, prefix=IdPrefix.MESSAGE, table=MessageRow):
    role: MessageRole = strawberry.field(description="Who speaks.")
    text: str = strawberry.field(description="What they say.")
    partial: bool = strawberry.field(description="Whether the run was cancelled or failed in the middle of it.")
    created_at: datetime = strawberry.field(description="When it was stored.")
    row: strawberry.Private[MessageRow]

    @field("The run that the message began, or came of.")
    async def run(self, info: Info) -> Annotated["Run", strawberry.lazy("schema.runs")] | None:
        row = await info.context.find(RunRow, self.row.run_id)
        return node_of(row) if row else None


@strawberry.type(description="A conversation: its runs follow one another, and each is told what was said before.")
class Thread(Node, prefix=IdPrefix.THREAD, table=ThreadRow):
    title: str | None = strawberry.field(description="The beginning of the first message.")
    created_at: datetime = strawberry.field(description="When it was begun.")
    row: strawberry.Private[ThreadRow]

    @field("Whose it is, if it was begun on a page of the workspace; null otherwise.")
    async def end_user(self, info: Info) -> EndUser | None:
        key = self.row.end_user_id
        row = await info.context.find(EndUserRow, key) if key else None
        return EndUser.of(row) if row else None

    @field("Oldest first; `last`, where given, takes from the end (or from `before`) instead of `first`.")
    async def messages(
        self, info: Info, first: First = 50, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Message]:
        columns = columns_for(info, Message)
        page = await threads.messages(
            info.context, self.key, first=first, after=after, last=last, before=before, columns=columns
        )
        return Connection.of(page, Message)

    @field("The runs of the conversation, newest first.")
    async def runs(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[Annotated["Run", strawberry.lazy("schema.runs")]]:
        kind = Node.by_table[RunRow]
        columns = columns_for(info, kind)
        page = await threads.runs(info.context, self.key, first=first, after=after, columns=columns)
        return Connection.of(page, kind)


@strawberry.type
class ThreadQuery:
    @field("A conversation in one of the viewer's workspaces.")
    async def thread(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The thread's id.")]
    ) -> Thread | None:
        return await Thread.find_by_id(info, id)

"""Conversations."""

from uuid import UUID

from models.runs import Run
from models.threads import Message, Thread
from resolvers.context import Context
from resolvers.pages import Order, Page, page

# What a run said stands after what it was asked, whichever was stored first.
IN_ORDER_OF_SPEECH = Order(("run_id", "position"))


async def messages(
    context: Context,
    thread_id: UUID,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Page[Message]:
    """The messages of a thread, oldest first."""
    rows = Message.filter(thread_id=thread_id)
    return await page(context, rows, IN_ORDER_OF_SPEECH, first=first, after=after, last=last, before=before, default=50)


async def runs(context: Context, thread_id: UUID, *, first: int | None, after: str | None) -> Page[Run]:
    """The runs of a thread, newest first."""
    return await page(context, Run.filter(thread_id=thread_id), first=first, after=after)


async def of_workspace(context: Context, workspace_id: UUID, *, first: int | None, after: str | None) -> Page[Thread]:
    """The threads of a workspace, newest first."""
    return await page(context, Thread.filter(workspace_id=workspace_id), first=first, after=after)

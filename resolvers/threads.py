"""Conversations."""

from uuid import UUID

from models.runs import Run
from models.threads import Message, Thread
from resolvers.context import Context
from resolvers.pages import Listing, Order, Page, page

# What a run said stands after what it was asked, whichever was stored first.
MESSAGES = Listing(Message, "thread_id", Order(("run_id", "position")), default=50)
RUNS = Listing(Run, "thread_id")


async def messages(
    context: Context,
    thread_id: UUID,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    columns: frozenset[str] | None,
) -> Page[Message]:
    """The messages of a thread, oldest first."""
    return await page(context, MESSAGES, thread_id, first=first, after=after, last=last, before=before, columns=columns)


async def runs(
    context: Context, thread_id: UUID, *, first: int | None, after: str | None, columns: frozenset[str] | None
) -> Page[Run]:
    """The runs of a thread, newest first."""
    return await page(context, RUNS, thread_id, first=first, after=after, columns=columns)


async def of_workspace(
    context: Context, workspace_id: UUID, *, first: int | None, after: str | None, columns: frozenset[str] | None
) -> Page[Thread]:
    """The threads of a workspace, newest first."""
    listing = Listing(Thread, "workspace_id", where=context.own_only())
    return await page(context, listing, workspace_id, first=first, after=after, columns=columns)

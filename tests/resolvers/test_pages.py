"""Pages of a list in both directions, over one sort key and over two."""

import asyncio
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import pytest

from core.errors import ValidationFailed
from core.ids import new_id
from models.threads import Message, MessageRole, Thread
from resolvers.context import Context
from resolvers.pages import NEWEST_FIRST, OLDEST_FIRST, Listing, Order, Page, page
from tests.services.tenants import make_member, make_workspace

BY_RUN = Order(("run_id", "position"))


@pytest.fixture(scope="module")
async def context(pool: None) -> Context:
    member = await make_member(await make_workspace())
    return Context(None, member)  # type: ignore[arg-type]  # nothing here asks for the process's parts


@pytest.fixture(scope="module")
async def messages(context: Context) -> UUID:
    """A thread of seven messages: four of a first run and three of a second one, stored in an order of their own."""
    [workspace_id] = context.require_principal().workspace_ids
    runs = [new_id(), new_id()]
    places = [(runs[1], 2), (runs[0], 0), (runs[0], 3), (runs[1], 0), (runs[0], 1), (runs[1], 1), (runs[0], 2)]
    async with context.transaction():
        thread = await Thread.create(workspace_id=workspace_id)
        for run_id, position in places:
            await Message.create(
                workspace_id=workspace_id,
                thread_id=thread.id,
                run_id=run_id,
                position=position,
                role=MessageRole.USER,
                text=f"{runs.index(run_id)}.{position}",
            )
    return thread.id


IN_ORDER = ["0.0", "0.1", "0.2", "0.3", "1.0", "1.1", "1.2"]


async def part_of(context: Context, thread_id: UUID, order: Order, **arguments: Any) -> Page[Message]:
    listing = Listing(Message, "thread_id", order, default=3)
    return await page(context, listing, thread_id, **({"first": 100, "after": None} | arguments))


async def texts(context: Context, thread_id: UUID, order: Order, **arguments: Any) -> list[str]:
    return [row.text for row in (await part_of(context, thread_id, order, **arguments)).rows]


def cursors_of(part: Page[Message]) -> list[str]:
    return [part.cursor(row) for row in part.rows]


async def test_two_keys_order_as_one(context: Context, messages: UUID) -> None:
    assert await texts(context, messages, BY_RUN) == IN_ORDER


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("order", [BY_RUN, OLDEST_FIRST, NEWEST_FIRST], ids=["two keys", "oldest", "newest"])
async def test_pages_forwards_join_to_the_whole(context: Context, messages: UUID, order: Order, size: int) -> None:
    whole = await texts(context, messages, order)
    joined: list[str] = []
    after = None
    while len(joined) < len(whole):
        part = await part_of(context, messages, order, first=size, after=after)
        joined += [row.text for row in part.rows]
        assert (part.has_next, part.has_previous) == (len(joined) < len(whole), after is not None)
        after = part.cursor(part.rows[-1])
    assert joined == whole
    end = await part_of(context, messages, order, first=size, after=after)
    assert (end.rows, end.has_next) == ([], False)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("order", [BY_RUN, OLDEST_FIRST, NEWEST_FIRST], ids=["two keys", "oldest", "newest"])
async def test_pages_backwards_join_to_the_whole(context: Context, messages: UUID, order: Order, size: int) -> None:
    whole = await texts(context, messages, order)
    joined: list[str] = []
    before = None
    while len(joined) < len(whole):
        part = await part_of(context, messages, order, first=50, after=None, last=size, before=before)
        joined = [row.text for row in part.rows] + joined
        assert (part.has_next, part.has_previous) == (before is not None, len(joined) < len(whole))
        before = part.cursor(part.rows[0])
    assert joined == whole


async def test_both_bounds_hold_at_once(context: Context, messages: UUID) -> None:
    cursors = cursors_of(await part_of(context, messages, BY_RUN, first=100, after=None))
    between = {"after": cursors[0], "before": cursors[5]}
    assert await texts(context, messages, BY_RUN, **between) == IN_ORDER[1:5]
    assert await texts(context, messages, BY_RUN, **between, first=2) == IN_ORDER[1:3]
    assert await texts(context, messages, BY_RUN, **between, last=2) == IN_ORDER[3:5]


async def test_a_cursor_holds_its_place_when_its_row_is_gone(context: Context) -> None:
    [workspace_id] = context.require_principal().workspace_ids
    async with context.transaction():
        threads = [await Thread.create(workspace_id=workspace_id, title=str(number)) for number in range(3)]
    listing = Listing(Thread, "workspace_id", OLDEST_FIRST, where=(("id__in", tuple(thread.id for thread in threads)),))
    first = await page(context, listing, workspace_id, first=2, after=None)
    async with context.transaction():
        await Thread.filter(id=threads[1].id).delete()
    rest = await page(context, listing, workspace_id, first=2, after=first.cursor(first.rows[-1]))
    assert [thread.title for thread in rest.rows] == ["2"]


async def test_null_means_the_default_of_the_list(context: Context, messages: UUID) -> None:
    assert len((await part_of(context, messages, BY_RUN, first=None, after=None)).rows) == 3


async def test_the_count_is_of_the_whole_list(context: Context, messages: UUID) -> None:
    part = await part_of(context, messages, BY_RUN, first=1, after=None)
    assert await part.count() == 7


async def test_time_can_be_a_sort_key(context: Context, messages: UUID) -> None:
    order = Order(("created_at", "id"), descending=True)
    whole = await texts(context, messages, order)
    cursors = cursors_of(await part_of(context, messages, order, first=100, after=None))
    assert await texts(context, messages, order, after=cursors[2]) == whole[3:]


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "\x00",
        "=",
        "AAAA",
        encoded(""),
        encoded("1,2"),
        encoded(f"{UUID(int=1)}"),
        encoded(f"{UUID(int=1)},x"),
        encoded(f"{UUID(int=1)},{10**9}"),
        encoded(f"{UUID(int=1)},1,1"),
        encoded(f"{UUID(int=1)},\x00"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["after", "before"])
async def test_garbage_is_no_cursor(context: Context, messages: UUID, cursor: str, name: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        await texts(context, messages, BY_RUN, **{name: cursor})
    assert failed.value.path == (name,)


@pytest.mark.parametrize("size", [0, -1, 101, 1000])
@pytest.mark.parametrize("name", ["first", "last"])
async def test_a_page_has_1_to_100(context: Context, messages: UUID, size: int, name: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        await texts(context, messages, BY_RUN, **{name: size})
    assert failed.value.path == (name,)


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_pages_of_several_lists_at_once_are_each_their_own(context: Context, size: int) -> None:
    [workspace_id] = context.require_principal().workspace_ids
    titles = {}
    async with context.transaction():
        for count in (3, 0, 1, 4):
            thread = await Thread.create(workspace_id=workspace_id)
            titles[thread.id] = [f"{count}.{position}" for position in range(count)]
            run_id = new_id()
            for position, text in enumerate(titles[thread.id]):
                await Message.create(
                    workspace_id=workspace_id,
                    thread_id=thread.id,
                    run_id=run_id,
                    position=position,
                    role=MessageRole.USER,
                    text=text,
                )
    pages = await asyncio.gather(*(part_of(context, thread_id, BY_RUN, first=size) for thread_id in titles))
    for part, whole in zip(pages, titles.values(), strict=True):
        assert [row.text for row in part.rows] == whole[:size]
        assert part.has_next == (len(whole) > size)
        assert await part.count() == len(whole)
    ends = await asyncio.gather(*(texts(context, thread_id, BY_RUN, last=size) for thread_id in titles))
    assert ends == [whole[-size:] for whole in titles.values()]

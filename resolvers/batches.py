"""Batched reads: what sibling fields ask for at the same time is fetched with one query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Fetch = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]


class Batch(Generic[K, V]):
    """Collects keys until the event loop comes round, then fetches them all with one call of ``fetch``.

    Keys asked for twice within a batch are fetched once. Nothing is kept beyond the batch: an operation may be a
    subscription that lives for hours, or a mutation that changes what an earlier field has read.
    """

    def __init__(self, fetch: Fetch[K, V]) -> None:
        self._fetch = fetch
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._fetching: set[asyncio.Task[None]] = set()

    @property
    def is_gathering(self) -> bool:
        """Whether there are keys that are not being fetched yet."""
        return bool(self._waiting)

    async def load(self, key: K) -> V | None:
        """The value of ``key``, or None where ``fetch`` found none."""
        if self._waiting:
            return await self._future(key)
        self._waiting[key] = []
        try:
            await asyncio.sleep(0)
        except BaseException:
            self._dispatch()
            raise
        if len(self._waiting) == 1 and not self._waiting[key]:
            # Whoever is alone can do it without a task.
            self._waiting = {}
            return (await self._fetch([key])).get(key)
        future = self._future(key)
        self._dispatch()
        return await future

    def _future(self, key: K) -> "asyncio.Future[V | None]":
        # Of its own: one reader that is cancelled must not cancel the others.
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        return future

    def _dispatch(self) -> None:
        waiting, self._waiting = self._waiting, {}
        # Readers may have gone, all of them.
        waiting = {key: futures for key, futures in waiting.items() if any(not future.done() for future in futures)}
        if waiting:
            task = asyncio.create_task(self._settle(waiting))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)

    async def _settle(self, waiting: dict[K, list["asyncio.Future[V | None]"]]) -> None:
        failure: Exception | None = None
        found: Mapping[K, V] = {}
        try:
            found = await self._fetch(list(waiting))
        except Exception as error:
            failure = error
        for key, futures in waiting.items():
            for future in futures:
                # Those of readers that are gone are cancelled.
                if failure and not future.done():
                    future.set_exception(failure)
                elif not future.done():
                    future.set_result(found.get(key))


class Batches:
    """The batches of one operation, one for each thing to fetch."""

    def __init__(self) -> None:
        self._by_name: dict[Hashable, Batch[Any, Any]] = {}

    async def load(self, name: Hashable, fetch: Fetch[K, V], key: K) -> V | None:
        """The value of ``key`` in the batch called ``name``, which ``fetch`` serves."""
        batch = self._by_name.setdefault(name, Batch(fetch))
        try:
            return await batch.load(key)
        finally:
            # What fetches most often refers to the operation, and that to what is kept here: a cycle.
            if not batch.is_gathering and self._by_name.get(name) is batch:
                del self._by_name[name]

"""Opening and closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.queries import FindJobs, GetJob, ListOwners
from aiojobs_lite.stores.base import Store
from tests.helpers.cancelling import Call, at_every_moment
from tests.helpers.stores import GUARD, NOW, inserted, new, stored


async def first_change(store: Store) -> Any:
    """The first change that a store reports."""
    async for change in store.changes():
        return change
    raise AssertionError("it reports for as long as it is iterated")


CALLS: list[Callable[[Store], Awaitable[object]]] = [
    lambda store: store.apply([], NOW),
    lambda store: store.ask(GetJob(1)),
    lambda store: store.ask(FindJobs()),
    lambda store: store.ask(ListOwners()),
    lambda store: store.maintain(NOW),
    first_change,
]


async def is_closed(store: Store) -> bool:
    """Whether every call fails as it must."""
    async with asyncio.timeout(GUARD):
        for call in CALLS:
            with pytest.raises(StoreUnavailable):
                await call(store)
    if store.inline is not None:
        with pytest.raises(StoreUnavailable):
            store.inline.apply([], NOW)
    return True


class Opening:
    async def test_a_store_may_be_closed_twice(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        await store.close()
        await store.close()
        assert await is_closed(store)

    async def test_a_store_may_be_closed_twice_at_once(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        await asyncio.gather(store.close(), store.close())
        assert await is_closed(store)

    async def test_a_store_that_was_never_open_may_be_closed(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.close()
        assert await is_closed(store)

    async def test_a_store_may_be_opened_again(self, make: Callable[[], Store]) -> None:
        store = make()
        for _ in range(3):
            await store.open()
            (job_id,) = await inserted(store, new())
            assert (await stored(store, job_id)).type == "a"
            await store.close()
        assert await is_closed(store)

    async def test_a_cancelled_open_leaves_nothing_open(self, make: Callable[[], Store]) -> None:
        stores: dict[int, Store] = {}

        async def prepare(moment: int) -> Call:
            stores[moment] = make()
            return stores[moment].open

        async for moment, ending in at_every_moment("at_a_turn", prepare):
            try:
                if ending.is_cancelled:  # not so one that was quicker
                    with pytest.raises(StoreUnavailable):
                        await stores[moment].apply([], NOW)
            finally:
                await stores[moment].close()

    async def test_a_close_ends_the_iteration_of_changes(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        iterating = asyncio.create_task(first_change(store))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(StoreUnavailable):
            await iterating

    async def test_maintaining_changes_nothing_that_is_right(self, store: Store) -> None:
        ids = await inserted(store, new(), new("b"))
        before = store.counts()
        await store.maintain(NOW)
        after = store.counts()
        assert (dict(after.by_type), after.total) == (dict(before.by_type), before.total)
        assert [job.id for job in await store.ask(FindJobs())] == ids[::-1]

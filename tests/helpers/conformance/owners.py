"""Owners: which live and which are dead for certain."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from aiojobs_lite.stores.base import Store
from tests.helpers.pauses import pause
from tests.helpers.waiting import PATIENCE


def new_owner() -> str:
    """A random id, as a runner has it."""
    return secrets.token_hex(8)


def never() -> None:
    """A live owner is not notified that it may be taken for dead."""
    raise AssertionError("nothing was lost")


@asynccontextmanager
async def acquired(*stores: Store) -> AsyncIterator[list[str]]:
    """An owner that lives for each store."""
    owners = [new_owner() for _ in stores]
    try:
        for store, owner in zip(stores, owners, strict=True):
            await store.owners.acquire(owner, lost=never, regained=never)
        yield owners
    finally:
        for store in stores:
            store.owners.release()


async def dead_in_time(store: Store, wanted: Collection[str], beside: Collection[str] = ()) -> Collection[str]:
    """Waits until these owners are dead: a store may have a grace; returns all of both that are."""
    async with asyncio.timeout(PATIENCE):
        while (found := await store.owners.dead([*wanted, *beside])).isdisjoint(beside) and found != set(wanted):
            await pause()
    return found


class Owning:
    async def test_an_owner_lives_from_its_start_to_its_release(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with acquired(mine, other) as owners:
            for store in two:
                assert await store.owners.dead(owners) == set()
            other.owners.release()
            assert await dead_in_time(mine, owners[1:], owners[:1]) == set(owners[1:])
        assert await dead_in_time(mine, owners) == set(owners)

    async def test_an_owner_that_never_was_is_dead(self, two: tuple[Store, Store]) -> None:
        async with acquired(two[0]) as owners:
            stranger = new_owner()
            assert await dead_in_time(two[1], [stranger], owners) == {stranger}

    async def test_only_those_that_are_asked_for_are_named(self, two: tuple[Store, Store]) -> None:
        async with acquired(*two):
            assert await two[0].owners.dead([]) == set()

    async def test_a_look_removes_nothing_of_the_living(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with acquired(mine, other) as owners:
            for asked_for in ([], [new_owner()], owners[1:], owners):
                await mine.owners.dead(asked_for)
                await other.owners.dead(asked_for)
            assert await mine.owners.dead(owners) == await other.owners.dead(owners) == set()

    async def test_a_released_owner_does_not_take_another_along(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with acquired(mine) as first:
            async with acquired(other) as second:
                pass
            assert await dead_in_time(mine, second, first) == set(second)

    async def test_releasing_twice_is_releasing_once(self, store: Store) -> None:
        async with acquired(store) as owners:
            store.owners.release()
        store.owners.release()
        assert await dead_in_time(store, owners) == set(owners)

    async def test_an_owner_may_be_released_long_after_the_close(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with acquired(mine) as owners:
            await mine.close()
            assert await other.owners.dead(owners) == set()
        assert await dead_in_time(other, owners) == set(owners)

    async def test_a_reopened_store_has_another_owner(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with acquired(mine) as first:
            pass
        await mine.close()
        await mine.open()
        async with acquired(mine) as second:
            assert await dead_in_time(other, first, second) == set(first)

    @pytest.mark.parametrize("count", [1, 2])
    async def test_an_owner_of_its_own_lives(self, store: Store, count: int) -> None:
        for _ in range(count):
            async with acquired(store) as owners:
                assert await store.owners.dead(owners) == set()

    async def test_a_report_of_an_owner_is_read_by_all_until_it_leaves_another_one_or_none(
        self, two: tuple[Store, Store]
    ) -> None:
        mine, other = two
        async with acquired(mine, other) as owners:
            for text in ("", "one", "two \u20ac\n", ""):
                mine.owners.report(text)
                for store in two:
                    found = await store.owners.reports([*owners, new_owner()])
                    assert {owner: report.text for owner, report in found.items() if report.text} == (
                        {owners[0]: text} if text else {}
                    )

    async def test_an_owner_that_is_released_reports_nothing(self, store: Store) -> None:
        async with acquired(store) as owners:
            store.owners.report("one")
            store.owners.beat()
        found = await store.owners.reports(owners)
        assert [report.text for report in found.values() if report.text] == []

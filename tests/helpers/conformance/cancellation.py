"""Callers that are cancelled, and transactions that need not be waited for."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.stores.base import Store
from tests.helpers.pauses import turns_later
from tests.helpers.stores import NOW, alone, complete, counted, everything, inserted, new, running, shown


class Cancellation:
    async def test_a_call_that_was_begun_is_carried_out_for_a_cancelled_caller(self, store: Store) -> None:
        task = asyncio.create_task(store.apply([(Insert((new(),)),)], NOW))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):  # a store may be done at once
            await task
        assert shown(store) == {"a": TypeCounts(pending=1)} == await counted(store)

    async def test_a_caller_cancelled_many_times_still_waits_for_the_end(self, store: Store) -> None:
        units = alone([Insert(tuple(new() for _ in range(2000)))])
        task: asyncio.Task[object] = asyncio.create_task(store.apply(units, NOW))
        while not task.done():
            await asyncio.sleep(0)
            task.cancel()
        jobs = await everything(store)
        assert len(jobs) in {0, 2000}
        assert task.cancelled() or len(jobs) == 2000
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("seed", range(4))
    async def test_no_cancellation_leaves_half_a_transaction(self, store: Store, seed: int) -> None:
        """Two jobs and the end of one go into each transaction; its caller is cancelled at any point of it."""
        chance = random.Random(seed)
        outcomes: list[bool] = []
        for job in await running(store, *(new("ended") for _ in range(100))):
            units: list[Unit] = [
                (Insert((new("a", idempotency_key=str(job.id)),)),),
                (complete(job), Insert((new("b"),))),
            ]
            task = asyncio.create_task(store.apply(units, NOW))
            await turns_later(chance.randrange(40))
            outcomes.append(task.cancel())
            await asyncio.wait([task])
        assert any(outcomes)
        jobs = await everything(store)
        done = sum(job.status is Status.COMPLETED for job in jobs)
        assert sum(job.type == "a" for job in jobs) == sum(job.type == "b" for job in jobs) == done > 0
        assert shown(store) == await counted(store)
        assert await inserted(store, new())

    async def test_a_cancelled_query_disturbs_no_other(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(50)))
        for passes in range(8):
            task = asyncio.create_task(everything(store))
            await turns_later(passes)
            task.cancel()
            await asyncio.wait([task])
            assert [job.id for job in await everything(store)] == ids


class Inlining:
    async def test_inline_does_what_apply_does_or_nothing(self, store: Store) -> None:
        for number in range(3):
            before = shown(store)
            units = alone([Insert((new(),))])
            applied = None if store.inline is None else store.inline.apply(units, NOW)
            if applied is None:
                assert shown(store) == before == await counted(store)
                applied = await store.apply(units, NOW)
            assert [made.is_new for made in applied.answers[0]] == [True]
            assert applied.due is not None
            assert applied.due <= NOW
            assert shown(store) == {"a": TypeCounts(pending=number + 1)} == await counted(store)

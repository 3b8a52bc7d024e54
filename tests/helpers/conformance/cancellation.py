"""Callers that are cancelled, and transactions that need not be waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.stores.base import Store
from tests.helpers.cancelling import Call, at_every_moment
from tests.helpers.stores import NOW, alone, complete, counted, everything, inserted, new, running, shown

LONG = new("a")._replace(payload='{"x": "' + "y" * 70_000 + '"}')  # no store carries it out at once, without a wait


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

    @pytest.mark.parametrize("way", ["at_a_turn", "at_two_turns"])
    async def test_no_cancellation_leaves_half_a_transaction(self, store: Store, way: str) -> None:
        """Two jobs and the end of one go into each transaction; its caller is cancelled at every moment of it."""

        async def prepare(moment: int) -> Call:
            (job,) = await running(store, new("ended"))
            units: list[Unit] = [
                (Insert((LONG._replace(idempotency_key=str(moment)),)),),
                (complete(job), Insert((new("b"),))),
            ]
            return lambda: store.apply(units, NOW)

        async for _moment, _ending in at_every_moment(way, prepare):
            jobs = await everything(store)
            done = sum(job.status is Status.COMPLETED for job in jobs)
            assert sum(job.type == "a" for job in jobs) == sum(job.type == "b" for job in jobs) == done
            assert shown(store) == await counted(store)
        assert done > 0
        assert await inserted(store, new())

    async def test_a_cancelled_query_disturbs_no_other(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(50)))

        async def prepare(_moment: int) -> Call:
            return lambda: everything(store)

        async for _moment, _ending in at_every_moment("at_a_turn", prepare):
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

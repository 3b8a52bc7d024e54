"""The rest of `conformance.py`: cron, answers, stores that share a database, opening, closing, cancellation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.writes import Cancel, Delete, Insert, Pause, Prune, SetSchedule, Tick, TickAnswer, Unpark, Write
from aiojobs_lite.stores.base import JobFilter, Store, TypeCounts
from tests.helpers.stores import (
    GUARD,
    NOW,
    at,
    claim,
    claimed,
    counted,
    end,
    everything,
    finished,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)


class Scheduling:
    async def test_an_unchanged_expression_keeps_the_stored_next_tick(self, store: Store) -> None:
        schedule = SetSchedule("s", "0 9 * * *", "UTC", at(60))
        assert await one(store, schedule) == at(60)
        assert await one(store, schedule._replace(next_tick=at(99))) == at(60)
        assert await one(store, schedule._replace(expression="0 8 * * *", next_tick=at(30))) == at(30)
        assert await one(store, schedule._replace(expression="0 8 * * *", tz="Asia/Tokyo", next_tick=at(20))) == at(20)
        assert await one(store, schedule._replace(name="other", next_tick=at(7))) == at(7)

    async def test_a_tick_fires_once_and_moves_the_schedule(self, store: Store) -> None:
        schedule = SetSchedule("s", "* * * * *", "UTC", at(0))
        await one(store, schedule)
        write = Tick("s", at(0), at(60), new(schedule="s", tick=at(0)), skip_overlap=True)
        answers = (await store.apply([write, write, claim()], NOW)).answers
        assert answers[0].what == "fired"
        assert answers[1] == TickAnswer("duplicate")
        assert [job.id for job in answers[2].jobs] == [answers[0].job_id]
        assert await one(store, write) == TickAnswer("duplicate")
        assert (await one(store, schedule), (await counted(store))["a"].processing) == (at(60), 1)

    async def test_a_late_duplicate_does_not_move_the_schedule_back(self, store: Store) -> None:
        schedule = SetSchedule("s", "* * * * *", "UTC", at(0))
        await one(store, schedule)
        ticks = [Tick("s", at(60 * n), at(60 * (n + 1)), None, skip_overlap=False) for n in range(3)]
        await store.apply([*ticks, ticks[0]], NOW)
        assert await one(store, schedule) == at(180)

    async def test_a_skipped_tick_is_dealt_with(self, store: Store) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        assert await one(store, Tick("s", at(0), at(60), None, skip_overlap=True)) == TickAnswer("skipped")
        again = Tick("s", at(0), at(60), new(), skip_overlap=True)
        assert await one(store, again) == TickAnswer("duplicate")
        assert await counted(store) == {}

    async def test_a_tick_does_not_fire_over_the_job_before_it(self, store: Store) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        ticks = [Tick("s", at(n), at(n + 1), new(), skip_overlap=True) for n in range(5)]
        assert (await one(store, ticks[0])).what == "fired"
        assert await one(store, ticks[1]) == TickAnswer("overlap")
        (held,) = await claimed(store)
        assert await one(store, ticks[2]) == TickAnswer("overlap")
        assert await one(store, ticks[2]) == TickAnswer("duplicate")
        answers = (await store.apply([ticks[3], end(held)], NOW)).answers
        assert (answers[0].what, answers[1]) == ("fired", True)
        assert (await one(store, ticks[4]._replace(skip_overlap=False))).what == "fired"

    async def test_schedules_do_not_touch_each_other(self, store: Store) -> None:
        for name in ("s", "t"):
            await one(store, SetSchedule(name, "* * * * *", "UTC", at(0)))
        ticks = [Tick(name, at(0), at(60), new(), skip_overlap=True) for name in ("s", "t")]
        assert [answer.what for answer in (await store.apply(ticks, NOW)).answers] == ["fired", "fired"]

    async def test_a_pruned_tick_is_forgotten(self, store: Store) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        ticks = [Tick("s", at(n), at(9), None, skip_overlap=False) for n in range(2)]
        await store.apply([*ticks, Prune(at(0), at(0), at(1), 10)], NOW)
        assert [answer.what for answer in (await store.apply(ticks, NOW)).answers] == ["skipped", "duplicate"]


class Answering:
    async def test_answers_come_in_the_order_of_the_writes(self, store: Store) -> None:
        held = await running(store, new(), new())
        (job_id,) = await inserted(store, new())
        writes: list[Write] = [
            claim(limit=0),
            Insert((new(),)),
            end(held[1]),
            Cancel(job_id, None),
            end(held[0], Outcome.FAILED),
        ]
        answers = (await store.apply(writes, NOW)).answers
        assert (answers[0].jobs, answers[2:]) == ([], [True, Status.CANCELLED, True])
        assert answers[1][0].id == job_id + 1

    async def test_other_writes_come_before_inserts(self, store: Store) -> None:
        first = await finished(store, new(idempotency_key="k"), Status.DEAD)
        answers = (await store.apply([Insert((new(idempotency_key="k"),)), Delete(first)], NOW)).answers
        assert answers[0][0].is_new

    async def test_finishes_come_before_other_writes(self, store: Store) -> None:
        (held,) = await running(store, new())
        answers = (await store.apply([Delete(held.id), end(held)], NOW)).answers
        assert answers == [Status.COMPLETED, True]
        assert await store.get(held.id) is None

    async def test_writes_of_one_kind_come_in_the_order_given(self, store: Store) -> None:
        (job_id,) = await inserted(store, new())
        answers = (await store.apply([Cancel(job_id, "first"), Cancel(job_id, "second")], NOW)).answers
        assert answers == [Status.CANCELLED] * 2
        assert (await stored(store, job_id)).reason == "first"

    async def test_no_writes_are_a_transaction_too(self, store: Store) -> None:
        applied = await store.apply([], NOW)
        assert (applied.answers, dict(applied.due), applied.changed) == ([], {}, False)

    async def test_due_is_the_earliest_claimable_job_of_each_type_touched_or_looked_at(self, store: Store) -> None:
        rows = (new("a", priority=2, due=-3), new("a", priority=0, due=5), new("b", due=7), new("c", due=1))
        assert (await store.apply([Insert(rows)], NOW)).due == {"a": at(-3), "b": at(7), "c": at(1)}
        applied = await store.apply([claim(slots={"a": 9}, look_at=["a", "b", "d"])], NOW)
        assert applied.due == {"a": at(5), "b": at(7), "d": None}
        (held,) = applied.answers[0].jobs
        assert (await store.apply([end(held, Outcome.SNOOZED, parked="x")], NOW)).due == {"a": at(5)}
        assert (await store.apply([Pause("c", paused=False)], NOW)).due == {"c": at(1)}

    async def test_counts_equal_counting_the_jobs(self, store: Store) -> None:
        for status in (Status.COMPLETED, Status.DEAD, Status.CANCELLED):
            await finished(store, new(), status)
        held = await running(store, new(), new(), new("b"))
        await store.apply([end(held[0], Outcome.FAILED, scheduled_at=at(9)), Insert((new(due=3), new(due=5)))], NOW)
        assert shown(store) == await counted(store)
        assert shown(store)["a"] == TypeCounts(3, 2, 1, 0, 1, 1, 1, 1)
        assert shown(store)["b"] == TypeCounts(processing=1)

    async def test_parked_jobs_are_counted_until_they_are_unparked_cancelled_or_deleted(self, store: Store) -> None:
        held = await running(store, *(new() for _ in range(4)))
        await store.apply([end(job, Outcome.SNOOZED, attempts=0, parked="x") for job in held], NOW)
        assert shown(store) == {"a": TypeCounts(pending=4, parked=4)} == await counted(store)
        await store.apply([Cancel(held[0].id, None), Delete(held[1].id)], NOW)
        assert shown(store) == {"a": TypeCounts(pending=2, parked=2, cancelled=1)} == await counted(store)
        assert await one(store, Unpark(("a", "b"))) == 2
        assert shown(store) == {"a": TypeCounts(pending=2, cancelled=1)} == await counted(store)

    async def test_a_scheduled_job_that_comes_due_only_waits(self, store: Store) -> None:
        await inserted(store, *(new(priority=priority, due=due) for priority in range(3) for due in (1, 2, 3)))
        for now, left in ((0, 9), (1, 6), (2.5, 3), (3, 0), (0, 0)):
            await one(store, claim(limit=0), now)
            assert (store.counts()["a"].pending, store.counts()["a"].scheduled) == (9, left)

    async def test_counts_of_what_was_rejected_do_not_show(self, store: Store) -> None:
        await inserted(store, new())
        with pytest.raises(StoreRejected):
            await store.apply([Insert((new(), new("b"))), Cancel(2**70, None)], NOW)
        assert shown(store) == {"a": TypeCounts(pending=1)} == await counted(store)

    async def test_a_filter_takes_the_jobs_for_which_every_field_holds(self, store: Store) -> None:
        done = await finished(store, new(), Status.COMPLETED)
        dead = await finished(store, new(), Status.DEAD)
        gone = await finished(store, new("b"), Status.CANCELLED)
        (mine,) = await running(store, new(), owner="me")
        (other,) = await running(store, new(), owner="you")
        (wait,) = await inserted(store, new("b"))
        await one(store, Cancel(other.id, None))
        for which, ids in (
            (JobFilter(), [wait, other.id, mine.id, gone, dead, done]),
            (JobFilter(status=Status.DEAD), [dead]),
            (JobFilter(status=Status.CANCELLED), [gone]),
            (JobFilter(status=Status.COMPLETED), [done]),
            (JobFilter(status=Status.PENDING), [wait]),
            (JobFilter(status=Status.PROCESSING), [other.id, mine.id]),
            (JobFilter(type="b"), [wait, gone]),
            (JobFilter(type="b", status=Status.PENDING), [wait]),
            (JobFilter(owner="me"), [mine.id]),
            (JobFilter(owner="nobody"), []),
            (JobFilter(cancel_requested=True), [other.id]),
            (JobFilter(owner="me", cancel_requested=True), []),
            (JobFilter(owner="me", cancel_requested=False), [mine.id]),
            (JobFilter(ids=[]), []),
            (JobFilter(ids=[done, 999, wait]), [wait, done]),
            (JobFilter(before=mine.id, limit=2), [gone, dead]),
            (JobFilter(limit=0), []),
        ):
            assert [job.id for job in await store.find(which)] == ids, which

    async def test_pages_show_every_job_once_although_new_ones_come(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(25)))
        seen: list[int] = []
        while page := await store.find(JobFilter(before=seen[-1] if seen else None, limit=10)):
            seen += [job.id for job in page]
            await inserted(store, new())
        assert seen == ids[::-1]

    async def test_history_comes_with_get_alone_and_oldest_first(self, store: Store) -> None:
        (held,) = await running(store, new())
        for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST):
            await one(store, end(held, outcome))
            (held,) = await claimed(store)
        job = await stored(store, held.id)
        assert [(past.attempt, past.outcome) for past in job.history] == [(1, "failed"), (2, "timed_out"), (3, "lost")]
        assert [found.history for found in await store.find(JobFilter())] == [()]

    async def test_a_deleted_job_takes_its_history_along(self, store: Store) -> None:
        job_id = await finished(store, new(), Status.DEAD)
        assert await one(store, Delete(job_id)) is Status.DEAD
        assert await store.get(job_id) is None

    @pytest.mark.parametrize("job_id", [0, -1, 5, 2**63, -(2**70)])
    async def test_a_job_that_is_not_there_is_none(self, store: Store, job_id: int) -> None:
        assert await store.get(job_id) is None


class Sharing:
    async def test_changed_tells_of_somebody_elses_commit_once(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        await inserted(mine, new())
        assert not await mine.changed()
        await inserted(other, new("b"))
        assert await mine.changed()
        assert not await mine.changed()

    async def test_apply_tells_of_somebody_elses_commit_once(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        await mine.changed()
        await inserted(other, new())
        assert (await mine.apply([claim(limit=0)], NOW)).changed
        assert not (await mine.apply([claim(limit=0)], NOW)).changed
        assert not await mine.changed()

    async def test_a_transaction_that_fails_does_not_swallow_the_news(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        await mine.changed()
        await inserted(other, new())
        with pytest.raises(StoreRejected):
            await one(mine, Insert((new(priority=5),)))
        assert (await mine.apply([claim(limit=0)], NOW)).changed

    async def test_counts_know_of_others_after_changed_or_apply(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        await inserted(other, new(), new("b", due=4))
        assert shown(mine) == {}
        await mine.changed()
        assert shown(mine) == shown(other) == await counted(mine)
        await running(other, new("c"))
        await inserted(mine, new("d"))
        assert shown(mine) == await counted(mine)
        assert set(shown(mine)) == {"a", "b", "c", "d"}

    async def test_each_store_sees_what_the_other_wrote(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        (held,) = await running(mine, new(idempotency_key="k"))
        assert (await stored(other, held.id)).owner == "one"
        assert (await one(other, Insert((new(idempotency_key="k"),))))[0] == (held.id, False)
        assert await one(other, Cancel(held.id, None)) is Status.PROCESSING
        assert [job.id for job in await mine.find(JobFilter(owner="one", cancel_requested=True))] == [held.id]

    async def test_two_owners_together_take_every_job_once_and_keep_to_the_limit(
        self, two: tuple[Store, Store]
    ) -> None:
        ids = await inserted(two[0], *(new() for _ in range(60)))
        taken: list[int] = []
        most = 0

        async def work(store: Store, owner: str) -> None:
            nonlocal most
            write = claim(owner, slots={"a": 4}, concurrency={"a": 5})
            idle = 0
            while idle < 3:
                jobs = await claimed(store, write)
                idle = 0 if jobs else idle + (store.counts()["a"].pending == 0)
                taken.extend(job.id for job in jobs)
                most = max(most, len(await store.find(JobFilter(status=Status.PROCESSING))))
                assert all((await store.apply([end(job) for job in jobs], NOW)).answers)

        async with asyncio.timeout(GUARD):
            await asyncio.gather(work(two[0], "one"), work(two[1], "two"))
        assert sorted(taken) == ids
        assert 0 < most <= 5

    async def test_a_pause_holds_for_the_other_store(self, two: tuple[Store, Store]) -> None:
        await inserted(two[0], new())
        await one(two[0], Pause("a", paused=True))
        assert (await one(two[1], claim())).held_back == {"a"}

    async def test_shared_path_is_the_same_for_both(self, two: tuple[Store, Store]) -> None:
        assert two[0].shared_path == two[1].shared_path is not None

    async def test_a_reopened_store_knows_its_jobs(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        (held,) = await running(mine, new())
        await mine.close()
        assert await one(other, end(held))
        await mine.open()
        assert shown(mine) == {"a": TypeCounts(completed=1)}
        assert (await stored(mine, held.id)).status is Status.COMPLETED
        await inserted(mine, new())


class Living:
    async def test_a_store_may_be_closed_twice(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        await store.close()
        await store.close()
        for call in (store.apply([], NOW), store.get(1), store.find(JobFilter()), store.changed()):
            with pytest.raises(StoreUnavailable):
                await call

    async def test_a_store_may_be_closed_twice_at_once(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        async with asyncio.timeout(GUARD):
            await asyncio.gather(store.close(), store.close())
        with pytest.raises(StoreUnavailable):
            await store.changed()

    async def test_a_store_that_was_never_open_may_be_closed(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.apply([], NOW)

    async def test_a_cancelled_open_leaves_nothing_open(self, make: Callable[[], Store]) -> None:
        for passes in range(12):
            store = make()
            task = asyncio.create_task(store.open())
            for _ in range(passes):
                await asyncio.sleep(0)
            task.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await task
                if task.cancelled():  # not so one that was quicker
                    with pytest.raises(StoreUnavailable):
                        await store.changed()
                assert passes or task.cancelled()
            finally:
                await store.close()

    async def test_a_call_that_was_begun_is_carried_out_for_a_cancelled_caller(self, store: Store) -> None:
        task = asyncio.create_task(store.apply([Insert((new(),))], NOW))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):  # a store may be done at once
            await task
        assert shown(store) == {"a": TypeCounts(pending=1)} == await counted(store)

    async def test_at_once_does_what_apply_does_or_nothing(self, store: Store) -> None:
        for number in range(3):
            before, applied = shown(store), store.apply_at_once([Insert((new(),))], NOW)
            if applied is None:
                assert shown(store) == before == await counted(store)
                applied = await store.apply([Insert((new(),))], NOW)
            assert applied.answers == [[(number + 1, True)]]
            assert shown(store) == {"a": TypeCounts(pending=number + 1)} == await counted(store)

    async def test_a_caller_cancelled_many_times_still_waits_for_the_end(self, store: Store) -> None:
        calls = [asyncio.create_task(store.apply([Insert(tuple(new() for _ in range(2000)))], NOW))]
        task = calls[0]
        while not task.done():
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        jobs = await everything(store)
        assert len(jobs) in {0, 2000}
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("seed", range(4))
    async def test_no_cancellation_leaves_half_a_transaction(self, store: Store, seed: int) -> None:
        """Two jobs and the end of one go into each transaction; its caller is cancelled at any point of it."""
        chance = random.Random(seed)
        held = await running(store, *(new("ended") for _ in range(100)))
        outcomes: list[bool] = []
        for job in held:
            writes: list[Write] = [Insert((new("a", idempotency_key=str(job.id)),)), end(job), Insert((new("b"),))]
            task = asyncio.create_task(store.apply(writes, NOW))
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            outcomes.append(task.cancel())
            await asyncio.wait([task])
        assert any(outcomes)
        jobs = await everything(store)
        done = sum(job.status is Status.COMPLETED for job in jobs)
        assert sum(job.type == "a" for job in jobs) == sum(job.type == "b" for job in jobs) == done > 0
        assert shown(store) == await counted(store)
        assert await inserted(store, new())

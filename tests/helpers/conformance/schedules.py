"""Cron schedules: the next tick of each, and that each tick is dealt with once."""

from __future__ import annotations

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.schedules import ScheduleAnswer, SetSchedule, TickAnswer
from aiojobs_lite.model.writes import DeleteJob, Prune
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import answers, at, claim, claimed, complete, counted, fire, micros, new, one, shown, stored

SCHEDULE = SetSchedule("s", "* * * * *", "UTC", at(0))


class Scheduling:
    async def test_an_unchanged_expression_keeps_the_stored_next_tick(self, store: Store) -> None:
        schedule = SetSchedule("s", "0 9 * * *", "UTC", at(60))
        assert (await one(store, schedule)).next_tick == at(60)
        assert (await one(store, schedule._replace(next_tick=at(99)))).next_tick == at(60)
        assert (await one(store, schedule._replace(expression="0 8 * * *", next_tick=at(30)))).next_tick == at(30)
        assert (
            await one(store, schedule._replace(expression="0 8 * * *", tz="Asia/Tokyo", next_tick=at(20)))
        ).next_tick == at(20)
        changed = schedule._replace(expression="0 7 * * *", next_tick=at(10))
        replaced = ("0 8 * * *", "Asia/Tokyo", at(20))
        assert await one(store, changed) == ScheduleAnswer(at(10), replaced)
        assert await one(store, changed) == ScheduleAnswer(at(10))
        assert (await one(store, schedule._replace(name="other", next_tick=at(7)))).next_tick == at(7)

    async def test_a_tick_fires_once_and_moves_the_schedule(self, store: Store) -> None:
        await one(store, SCHEDULE)
        write = fire("s", at(0), at(60), new(schedule="s", tick=at(0)), skip_overlap=True)
        first, second, answer = await answers(store, write, write, claim())
        assert first.what == "fired"
        assert second == TickAnswer("duplicate")
        assert [(job.id, job.tick) for job in answer.jobs] == [(first.job_id, at(0))]
        job = await stored(store, answer.jobs[0].id)
        assert (job.schedule, micros(job.tick)) == ("s", at(0))
        assert await one(store, write) == TickAnswer("duplicate")
        assert ((await one(store, SCHEDULE)).next_tick, (await counted(store))["a"].processing) == (at(60), 1)
        assert shown(store) == await counted(store)

    async def test_a_late_duplicate_does_not_move_the_schedule_back(self, store: Store) -> None:
        await one(store, SCHEDULE)
        ticks = [fire("s", at(60 * n), at(60 * (n + 1)), None, skip_overlap=False) for n in range(3)]
        await answers(store, *ticks, ticks[0])
        assert (await one(store, SCHEDULE)).next_tick == at(180)

    async def test_an_owner_moves_a_schedule_only_while_it_is_still_its_own(self, store: Store) -> None:
        await one(store, SCHEDULE)
        for n, changed in enumerate([SCHEDULE._replace(expression="0 9 * * *"), SCHEDULE._replace(tz="Asia/Tokyo")]):
            await one(store, changed._replace(next_tick=at(30)))
            rows = [None, new()]
            ticks = [fire("s", at(10 * n + m), at(99), row, skip_overlap=False) for m, row in enumerate(rows)]
            assert [answer.what for answer in await answers(store, *ticks)] == ["skipped", "fired"]
            assert (await one(store, changed)).next_tick == at(30)
            own = ticks[0]._replace(tick=at(30 + n), expression=changed.expression, tz=changed.tz)
            assert await one(store, own) == TickAnswer("skipped")
            assert (await one(store, changed)).next_tick == at(99)

    async def test_a_schedule_whose_owners_are_gone_becomes_that_of_an_owner_that_fires(self, store: Store) -> None:
        for n, left in enumerate([SCHEDULE._replace(expression="0 9 * * *"), SCHEDULE._replace(tz="Asia/Tokyo")]):
            await one(store, left._replace(next_tick=at(30)))
            ticks = [fire("s", at(10 * n + m), at(300), None, skip_overlap=False) for m in range(2)]
            await one(store, ticks[0], 90)
            assert await one(store, left) == ScheduleAnswer(at(30))
            await one(store, ticks[1], 91)
            assert await one(store, SCHEDULE) == ScheduleAnswer(at(300))

    async def test_a_skipped_tick_is_dealt_with(self, store: Store) -> None:
        await one(store, SCHEDULE)
        assert await one(store, fire("s", at(0), at(60), None, skip_overlap=True)) == TickAnswer("skipped")
        assert await one(store, fire("s", at(0), at(60), new(), skip_overlap=True)) == TickAnswer("duplicate")
        assert await counted(store) == {}

    async def test_a_tick_does_not_fire_over_the_job_before_it(self, store: Store) -> None:
        await one(store, SCHEDULE)
        ticks = [fire("s", at(n), at(n + 1), new(), skip_overlap=True) for n in range(5)]
        assert (await one(store, ticks[0])).what == "fired"
        assert await one(store, ticks[1]) == TickAnswer("overlap")
        (job,) = await claimed(store)
        assert await one(store, ticks[2]) == TickAnswer("overlap")
        assert await one(store, ticks[2]) == TickAnswer("duplicate")
        fired, ended = await answers(store, ticks[3], complete(job))
        assert (fired.what, ended) == ("fired", Status.COMPLETED)
        assert (await one(store, ticks[4]._replace(skip_overlap=False))).what == "fired"

    async def test_two_ticks_of_one_transaction_do_not_overlap(self, store: Store) -> None:
        await one(store, SCHEDULE)
        ticks = [fire("s", at(n), at(n + 1), new(), skip_overlap=True) for n in range(2)]
        assert [answer.what for answer in await answers(store, *ticks)] == ["fired", "overlap"]

    async def test_a_job_that_was_deleted_is_not_in_the_way(self, store: Store) -> None:
        await one(store, SCHEDULE)
        ticks = [fire("s", at(n), at(n + 1), new(), skip_overlap=True) for n in range(2)]
        fired = await one(store, ticks[0])
        assert fired.job_id is not None
        await one(store, DeleteJob(fired.job_id))
        assert (await one(store, ticks[1])).what == "fired"

    async def test_schedules_do_not_touch_each_other(self, store: Store) -> None:
        for name in ("s", "t"):
            await one(store, SCHEDULE._replace(name=name))
        ticks = [fire(name, at(0), at(60), new(), skip_overlap=True) for name in ("s", "t")]
        assert [answer.what for answer in await answers(store, *ticks)] == ["fired", "fired"]

    async def test_a_pruned_tick_is_forgotten(self, store: Store) -> None:
        await one(store, SCHEDULE)
        ticks = [fire("s", at(n), at(9), None, skip_overlap=False) for n in range(2)]
        await answers(store, *ticks, Prune(at(0), at(0), at(1), 10))
        assert [answer.what for answer in await answers(store, *ticks)] == ["skipped", "duplicate"]

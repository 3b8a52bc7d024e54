"""Schedules that are made at run time: what is stored of them, which ones are due, and what fires them."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.schedule_rows import (
    DueSchedules,
    GetSchedule,
    ListMovedAhead,
    ListSchedules,
    ListTicks,
    LookAtTicks,
    ScheduleRow,
    TickOutlook,
    TickRow,
)
from aiojobs_lite.model.schedules import (
    DeleteSchedule,
    MoveTickBack,
    PauseSchedule,
    PlacedSchedule,
    RunSchedule,
    ScheduleAnswer,
    SetSchedule,
    TickAnswer,
)
from aiojobs_lite.model.writes import DeleteJob, Inserted, Prune, Write
from aiojobs_lite.stores.base import Store
from tests.helpers.schedules import EACH_MINUTE, put, tick
from tests.helpers.stores import NOW, answers, at, claimed, complete, counted, fire, micros, new, one, stored

DECLARED = SetSchedule("s", EACH_MINUTE, "UTC", at(0))


async def row_of(store: Store, name: str = "r") -> ScheduleRow:
    row = await store.ask(GetSchedule(name))
    assert row is not None
    return row


async def due(store: Store, now: float, *types: str, limit: int = 9, without: tuple[str, ...] = ()) -> list[str]:
    """The names of the schedules that are due."""
    return [row.name for row in await store.ask(DueSchedules(types or ("a",), at(now), limit, without))]


class StoredScheduling:
    async def test_a_schedule_is_stored_as_it_was_put(self, store: Store) -> None:
        made = put(due=60, options='{"label":"eu"}', catch_up="all", overlap="queue", tz="Asia/Tokyo")
        assert await store.ask(GetSchedule("r")) is None
        assert await one(store, made, 5) == PlacedSchedule(at(60), is_new=True)
        assert await row_of(store) == ScheduleRow(*made[:-1], created_at=at(5), updated_at=at(5), moved_at=at(5))

    async def test_a_schedule_is_replaced_wholly(self, store: Store) -> None:
        await one(store, put(due=60, options='{"label":"eu"}'))
        changed = put(revision=2, due=90, expression="*/5 * * * *", job_type="b", payload="{}", overlap="queue")
        assert await one(store, changed, 7) == PlacedSchedule(at(90))
        assert await row_of(store) == ScheduleRow(*changed[:-1], created_at=NOW, updated_at=at(7), moved_at=at(7))

    async def test_an_unchanged_expression_keeps_the_next_tick(self, store: Store) -> None:
        await one(store, put(due=60))
        assert await one(store, put(revision=2, due=120, payload="{}"), 70) == PlacedSchedule(at(60))
        row = await row_of(store)
        assert (row.next_tick, row.moved_at, row.revision, row.payload) == (at(60), NOW, 2, "{}")
        assert await one(store, put(revision=3, due=180, tz="Asia/Tokyo"), 71) == PlacedSchedule(at(180))
        assert (await row_of(store)).next_tick == at(180)

    async def test_a_replaced_schedule_keeps_its_pause_and_its_latest_job(self, store: Store) -> None:
        await one(store, put())
        fired = await one(store, tick())
        await one(store, PauseSchedule("r", paused=True, by="Ada"), 3)
        await one(store, put(revision=2, expression="*/5 * * * *", due=300))
        row = await row_of(store)
        assert (row.latest_job, row.last_tick, row.paused_since, row.paused_by) == (fired.job_id, NOW, at(3), "Ada")

    async def test_a_declared_schedule_and_a_stored_one_have_two_names(self, store: Store) -> None:
        await one(store, DECLARED)
        await one(store, put(due=60))
        assert await one(store, put("s", due=90)) == PlacedSchedule(at(0), is_taken=True)
        assert await one(store, DECLARED._replace(name="r")) == ScheduleAnswer(at(60), is_taken=True)
        assert await row_of(store, "s") == ScheduleRow(*DECLARED)
        assert (await row_of(store)).revision == 1

    async def test_a_tick_fires_once_and_moves_the_schedule(self, store: Store) -> None:
        await one(store, put())
        fired, again = await answers(store, tick(), tick())
        assert (fired.what, again) == ("fired", TickAnswer("duplicate"))
        job = await stored(store, fired.job_id)
        assert (job.schedule, micros(job.tick)) == ("r", at(0))
        row = await row_of(store)
        assert (row.next_tick, row.latest_job, row.last_tick) == (at(60), fired.job_id, at(0))

    async def test_what_was_read_before_a_change_fires_nothing(self, store: Store) -> None:
        await one(store, put())
        await one(store, put(revision=2, payload="{}"))
        assert await one(store, tick()) == TickAnswer("changed")
        await one(store, DeleteSchedule("r"))
        assert await one(store, tick(revision=2)) == TickAnswer("changed")
        await one(store, put(revision=3))
        assert await one(store, tick(revision=2)) == TickAnswer("changed")
        assert await counted(store) == {}
        assert (await one(store, tick(revision=3))).what == "fired"

    async def test_a_declared_tick_does_not_fire_a_stored_schedule_of_its_name(self, store: Store) -> None:
        await one(store, put())
        assert await one(store, tick(revision=None)) == TickAnswer("changed")
        assert (await row_of(store)).next_tick == at(0)

    async def test_a_declared_schedule_that_was_deleted_comes_back_as_it_fires(self, store: Store) -> None:
        await one(store, DECLARED)
        assert await one(store, DeleteSchedule("s")) is True
        assert await one(store, DeleteSchedule("s")) is False
        fired = await one(store, fire("s", at(0), at(60), new(), skip_overlap=True))
        row = ScheduleRow("s", EACH_MINUTE, "UTC", at(60), latest_job=fired.job_id, last_tick=at(0))
        assert await row_of(store, "s") == row

    async def test_a_paused_schedule_makes_no_job_and_stays_where_it_is(self, store: Store) -> None:
        await answers(store, DECLARED, put())
        for name, revision in (("s", None), ("r", 1)):
            assert await one(store, PauseSchedule(name, paused=True, by="Ada"), 3) is True
            assert await one(store, PauseSchedule(name, paused=True, by="Bob"), 4) is True  # keeps its pause
            row = await row_of(store, name)
            assert (row.paused_since, row.paused_by, row.next_tick) == (at(3), "Ada", at(0))
            assert await one(store, tick(name, revision)) == TickAnswer("paused")
            assert await one(store, PauseSchedule(name, paused=False)) is True
            row = await row_of(store, name)
            assert (row.paused_since, row.paused_by, row.next_tick) == (None, None, at(0))
            assert (await one(store, tick(name, revision))).what == "fired"
        assert await one(store, PauseSchedule("none", paused=True)) is False
        assert await one(store, PauseSchedule("none", paused=False)) is False

    async def test_a_tick_does_not_fire_over_the_job_before_it(self, store: Store) -> None:
        await one(store, put())
        await one(store, tick(skips=True))
        assert await one(store, tick(due=60, then=120, skips=True)) == TickAnswer("overlap")
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert (await one(store, tick(due=120, then=180, skips=True))).what == "fired"

    async def test_the_conditions_of_a_job_count_for_each_tick(self, store: Store) -> None:
        await one(store, put())
        assert (await one(store, tick(max_pending=1))).what == "fired"
        full = tick(due=60, then=120, max_pending=1)
        assert await one(store, full) == TickAnswer("refused")
        assert await one(store, full) == TickAnswer("duplicate")
        kept = tick(due=120, then=180)
        assert kept.job is not None
        row = kept.job.row._replace(unique_key="k", unique_scope="pending")
        unique = kept._replace(job=Candidate(row))
        first, second = await answers(store, unique, unique._replace(tick=at(180), next_tick=at(240)))
        assert (first.what, second) == ("fired", TickAnswer("refused"))  # another job stands for it
        assert (await row_of(store)).latest_job == first.job_id

    async def test_a_schedule_is_run_between_its_ticks(self, store: Store) -> None:
        job = Candidate(new(schedule="r"))
        assert await one(store, RunSchedule("r", job)) is None
        await answers(store, put(), PauseSchedule("r", paused=True))
        made = await one(store, RunSchedule("r", job))
        assert isinstance(made, Inserted)
        assert made.is_new
        row = await row_of(store)
        assert (row.next_tick, row.latest_job, row.last_tick) == (at(0), made.id, None)
        refused = await one(store, RunSchedule("r", job._replace(max_pending=1)))
        assert isinstance(refused, Refused)
        await one(store, PauseSchedule("r", paused=False))
        assert await one(store, tick(skips=True)) == TickAnswer("overlap")

    async def test_a_run_between_the_ticks_keeps_the_latest_tick(self, store: Store) -> None:
        await answers(store, put(), tick())
        made = await one(store, RunSchedule("r", Candidate(new(schedule="r"))))
        assert isinstance(made, Inserted)
        row = await row_of(store)
        assert (row.last_tick, row.latest_job) == (at(0), made.id)

    async def test_what_is_due_is_found_by_type(self, store: Store) -> None:
        names = [("r", "a", 60), ("q", "a", 60), ("p", "a", 61), ("o", "b", 10), ("n", "c", 0)]
        for name, job_type, at_s in names:
            await one(store, put(name, job_type=job_type, due=at_s))
        await answers(store, DECLARED, put("m", due=5), PauseSchedule("m", paused=True))
        assert await due(store, 59) == []
        assert await due(store, 60) == ["q", "r"]
        assert await due(store, 61, "b", "a") == ["o", "q", "r", "p"]
        assert await due(store, 61, "b", "a", without=("q", "p")) == ["o", "r"]
        assert len(await due(store, 61, "b", "a", limit=2)) == 2
        assert await store.ask(DueSchedules((), at(99), 9)) == []

    async def test_what_comes_next_is_found_by_type(self, store: Store) -> None:
        for name, job_type, at_s in (("r", "a", 60), ("q", "b", 40), ("o", "c", 10)):
            await one(store, put(name, job_type=job_type, due=at_s))
        await answers(store, DECLARED, put("m", due=5), PauseSchedule("m", paused=True))
        assert await store.ask(LookAtTicks(("a", "b"), NOW, ("s",))) == TickOutlook(at(40), frozenset())
        assert (await store.ask(LookAtTicks(("a", "b"), at(40), ()))).next_tick == at(60)
        assert (await store.ask(LookAtTicks(("a", "b"), at(60), ()))).next_tick is None
        await one(store, PauseSchedule("s", paused=True))
        assert await store.ask(LookAtTicks((), NOW, ("s", "none"))) == TickOutlook(None, frozenset({"s"}))

    async def test_schedules_are_listed_by_name(self, store: Store) -> None:
        await answers(
            store, DECLARED, *map(put, ("report:1", "report:2", "repost", "report:é", "\U0001f600", "report"))
        )

        async def listed(**query: object) -> list[str]:
            return [row.name for row in await store.ask(ListSchedules(**query))]  # type: ignore[arg-type]  # names

        assert await listed() == ["report", "report:1", "report:2", "report:é", "repost", "s", "\U0001f600"]
        assert await listed(prefix="report") == ["report", "report:1", "report:2", "report:é"]
        assert await listed(prefix="report:", limit=2) == ["report:1", "report:2"]
        assert await listed(prefix="report:", after="report:2") == ["report:é"]
        assert await listed(after="s") == ["\U0001f600"]
        assert await listed(prefix="x") == []

    async def test_the_latest_ticks_say_where_their_jobs_stand(self, store: Store) -> None:
        await answers(store, put(), put("other"), tick("other"))
        first, _, third = await answers(store, tick(), tick(due=60, makes=False), tick(due=120))
        assert await store.ask(ListTicks("r", 2)) == [
            TickRow(at(120), third.job_id, Status.PENDING), TickRow(at(60), None, None),
        ]  # fmt: skip
        await one(store, DeleteJob(first.job_id))
        assert (await store.ask(ListTicks("r", 9)))[-1] == TickRow(at(0), first.job_id, None)

    async def test_ticks_stay_when_a_schedule_is_deleted_and_are_pruned(self, store: Store) -> None:
        await answers(store, put(), tick(), DeleteSchedule("r"), put(revision=2))
        assert await one(store, tick(revision=2)) == TickAnswer("duplicate")
        await one(store, DeleteSchedule("r"))
        assert await one(store, Prune(NOW, NOW, at(1), 9)) == 1
        assert await store.ask(ListTicks("r", 9)) == []

    async def test_a_tick_that_a_clock_has_written_that_was_ahead_is_moved_back(self, store: Store) -> None:
        for n, name in enumerate("qrp"):
            await one(store, put(name, due=9_060), 9_000 + n)
        await one(store, DECLARED)

        async def ahead(*after: object, limit: int = 9) -> list[str]:
            return [row.name for row in await store.ask(ListMovedAhead(after, limit))]  # type: ignore[arg-type]

        assert await ahead(at(8_000), "") == ["q", "r", "p"]
        assert await ahead(at(9_000), "q", limit=1) == ["r"]
        back = MoveTickBack("r", EACH_MINUTE, "UTC", at(60), NOW)
        assert await one(store, back) is True
        assert await one(store, back) is False
        row = await row_of(store)
        assert (row.next_tick, row.moved_at) == (at(60), NOW)
        assert await ahead(at(8_000), "") == ["q", "p"]
        due_by_now = MoveTickBack("q", EACH_MINUTE, "UTC", at(60), NOW)
        assert await one(store, due_by_now, 70) is True  # the clock went on since it was worked out
        assert await due(store, 70, "a") == ["q", "r"]

    @pytest.mark.parametrize("kind", ["put", "fired", "moved back"])
    async def test_a_tick_is_found_that_was_worked_out_before_the_clock_was_set_back(
        self, store: Store, kind: str
    ) -> None:
        async def ahead() -> list[str]:
            return [row.name for row in await store.ask(ListMovedAhead((at(8_000), ""), 9))]

        late: dict[str, Write[Any]] = {
            "put": put(due=9_060, worked_out_at=at(9_000)),
            "fired": tick(due=9_000, then=9_060)._replace(worked_out_at=at(9_000)),
            "moved back": MoveTickBack("r", EACH_MINUTE, "UTC", at(9_060), at(9_000)),
        }
        if kind != "put":
            await one(store, put(due=20_000 if kind == "moved back" else 0))
        await one(store, late[kind], 10)
        assert await ahead() == ["r"]
        await one(store, tick(due=0, then=60), 20)  # of an owner that has read the schedule before
        row = await row_of(store)
        assert (row.next_tick, row.moved_at) == (at(9_060), at(9_000))
        assert await ahead() == ["r"]
        await one(store, MoveTickBack("r", EACH_MINUTE, "UTC", at(60), at(30)), 30)
        assert await ahead() == []
        await one(store, tick(due=60, then=120), 60)
        assert (await row_of(store)).moved_at == at(60)

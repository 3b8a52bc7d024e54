"""Units: which writes belong together, in what order all of a transaction are applied, and all or none of them."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Held, Outcome, Status
from aiojobs_lite.model.queries import FindJobs, GetJob
from aiojobs_lite.model.schedules import FireTick, ScheduleAnswer, SetSchedule, TickAnswer
from aiojobs_lite.model.writes import (
    CancelJob,
    ClaimAnswer,
    DeleteJob,
    Insert,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveDead,
    RedriveJob,
    Redriven,
    Release,
    Unit,
    Write,
)
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    NOW,
    again,
    alone,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    end,
    everything,
    finished,
    found,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

BAD = Insert((new("z"), new("z", priority=9)))  # no store has a place for this priority


class Phasing:
    async def test_answers_come_in_the_order_of_the_units_and_of_the_writes_in_them(self, store: Store) -> None:
        jobs = await running(store, new(), new())
        (job_id,) = await inserted(store, new())
        units: list[Unit] = [
            (claim(limit=0),),
            (Insert((new(), new())), PauseType("z", paused=True)),
            (complete(jobs[1]), Insert((new("b"),))),
            (CancelJob(job_id, None), again(jobs[0])),
        ]
        claim_answer, first, paused, ended, second, cancelled, failed = (await store.apply(units, NOW)).answers
        assert claim_answer == ClaimAnswer([], frozenset())
        assert [made.is_new for made in (*first, *second)] == [True] * 3
        assert (paused, ended, cancelled, failed) == (None, Status.COMPLETED, Status.PENDING, Status.PENDING)
        assert [job.type for job in await everything(store)] == ["a", "a", "a", "a", "a", "b"]

    async def test_every_write_has_its_answer(self, store: Store) -> None:
        jobs = await running(store, *(new() for _ in range(4)))
        (pending,) = await inserted(store, new("b"))
        dead = [await finished(store, new("c"), Status.DEAD) for _ in range(2)]
        writes: list[Write[Any]] = [
            claim("two", limit=1, types="c"),
            Prune(at(0), at(0), at(0), 0),
            Insert((new(),)),
            RedriveDead(tuple(dead)),
            complete(jobs[0]),
            SetSchedule("s", "* * * * *", "UTC", at(60)),
            FireTick(
                "s", "* * * * *", "UTC", at(60), at(120), None, skip_overlap=False, revision=None, worked_out_at=NOW
            ),
            RedriveJob(dead[0]),
            MarkInterrupted(jobs[3].id, 1, "one"),
            Release((pending,), Held.PAYLOAD),
            again(jobs[1]),
            CancelJob(pending, None),
            DeleteJob(pending),
            close(jobs[2]),
            PauseType("b", paused=False),
        ]
        said = await answers(store, *writes)
        assert [job.id for job in said[0].jobs] == dead[:1]
        assert said[1] == 0
        assert [made.is_new for made in said[2]] == [True]
        assert said[3:] == [
            2, Status.COMPLETED, ScheduleAnswer(at(60)), TickAnswer("skipped"), Redriven(Status.PENDING), True, 0,
            Status.PENDING, Status.PENDING, Status.CANCELLED, Status.DEAD, None,
        ]  # fmt: skip

    async def test_ends_come_before_other_writes(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await answers(store, DeleteJob(job.id), complete(job)) == [Status.COMPLETED, Status.COMPLETED]
        assert await store.ask(GetJob(job.id)) is None

    async def test_attempts_that_succeeded_end_first(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await answers(store, again(job), close(job), complete(job)) == [None, None, Status.COMPLETED]

    async def test_other_writes_come_before_inserts(self, store: Store) -> None:
        first = await finished(store, new(idempotency_key="k"), Status.DEAD)
        (made,), _ = await answers(store, Insert((new(idempotency_key="k"),)), DeleteJob(first))
        assert made.is_new

    async def test_the_claim_comes_last(self, store: Store) -> None:
        await one(store, PauseType("a", paused=True))
        answer, *_ = await answers(store, claim(), Insert((new(),)), PauseType("a", paused=False))
        assert len(answer.jobs) == 1

    async def test_writes_of_one_phase_come_in_the_order_given(self, store: Store) -> None:
        (job_id,) = await inserted(store, new())
        said = await answers(store, CancelJob(job_id, "first"), RedriveJob(job_id), CancelJob(job_id, "last"))
        assert said == [Status.PENDING, Redriven(Status.CANCELLED), Status.PENDING]
        assert (await stored(store, job_id)).reason == "last"

    async def test_no_units_are_a_transaction_too(self, store: Store) -> None:
        applied = await store.apply([], NOW)
        assert applied.answers == []

    async def test_a_unit_may_be_empty(self, store: Store) -> None:
        (job,) = await running(store, new())
        applied = await store.apply([(), (complete(job), Insert((new(),))), ()], NOW)
        assert [applied.answers[0], len(applied.answers)] == [Status.COMPLETED, 2]


class UnitFence:
    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_a_unit_whose_attempt_is_not_held_is_not_applied(self, store: Store, outcome: Outcome) -> None:
        (job,) = await running(store, new())
        (pending,) = await inserted(store, new("b"))
        stale = end(job, outcome)._replace(owner="two")
        unit: Unit = (Insert((new("c"),)), CancelJob(pending, None), stale, PauseType("a", paused=True))
        applied = await store.apply([unit], NOW)
        assert applied.answers == [None] * 4
        assert [job.status for job in await everything(store)] == [Status.PROCESSING, Status.PENDING]
        assert shown(store) == await counted(store)
        assert len(await running(store, new("a"))) == 1  # it is not paused

    @pytest.mark.parametrize("position", [0, 1, 2])
    async def test_the_units_beside_it_are(self, store: Store, position: int) -> None:
        jobs = await running(store, new(), new(), new())
        ends = [complete(job, str(job.id)) for job in jobs]
        ends[position] = ends[position]._replace(attempt=7)
        units: list[Unit] = [(ended, Insert((new(f"after {n}"),))) for n, ended in enumerate(ends)]
        applied = await store.apply([*units, (Insert((new("alone"),)),)], NOW)
        refused = [applied.answers[2 * n : 2 * n + 2] == [None, None] for n in range(3)]
        assert refused == [n == position for n in range(3)]
        made = {job.type for job in await store.ask(FindJobs(status=Status.PENDING))}
        assert made == {"alone", *(f"after {n}" for n in range(3) if n != position)}
        assert shown(store) == await counted(store)

    async def test_a_claim_of_such_a_unit_is_not_made(self, store: Store) -> None:
        (job,) = await running(store, new())
        await inserted(store, new())
        applied = await store.apply([(again(job)._replace(attempt=2), claim())], NOW)
        assert applied.answers == [None, None]
        assert (await counted(store))["a"].pending == 1

    async def test_the_second_of_two_units_that_end_one_attempt_is_not_applied(self, store: Store) -> None:
        (job,) = await running(store, new())
        units: list[Unit] = [(again(job), Insert((new("failed"),))), (complete(job), Insert((new("done"),)))]
        applied = await store.apply(units, NOW)
        assert (applied.answers[:3], len(applied.answers[3])) == ([None, None, Status.COMPLETED], 1)
        assert [job.type for job in await everything(store)] == ["a", "done"]

    async def test_what_is_made_by_a_refused_unit_is_claimed_by_none(self, store: Store) -> None:
        (job,) = await running(store, new())
        units: list[Unit] = [(complete(job)._replace(owner="two"), Insert((new(),))), (claim(),)]
        applied = await store.apply(units, NOW)
        assert applied.answers == [None, None, ClaimAnswer([], frozenset())]


class Rejecting:
    async def test_a_write_that_cannot_be_stored_takes_the_whole_transaction_with_it(self, store: Store) -> None:
        (job,) = await running(store, new())
        before = await everything(store)
        with pytest.raises(StoreRejected):
            await store.apply([(complete(job), Insert((new("b"),))), (BAD,), (claim(),)], NOW)
        assert await everything(store) == before
        assert shown(store) == await counted(store)
        assert await one(store, complete(job))

    async def test_its_neighbours_are_applied_alone(self, store: Store) -> None:
        """All of a unit or none, whatever becomes of the others: a committer repeats each by itself."""
        jobs = await running(store, new(), new())
        units: list[Unit] = [
            (complete(jobs[0]), Insert((new("b", idempotency_key="k"),))),
            (complete(jobs[1]), BAD),
            (Insert((new("c"),)), PauseType("d", paused=True)),
        ]
        with pytest.raises(StoreRejected):
            await store.apply(units, NOW)
        assert [job.status for job in await everything(store)] == [Status.PROCESSING] * 2
        refused = []
        for number, unit in enumerate(units):
            try:
                await store.apply([unit], NOW)
            except StoreRejected:
                refused.append(number)
        assert refused == [1]
        statuses = {job.id: (job.type, job.status) for job in await everything(store)}
        assert statuses.pop(jobs[0].id) == ("a", Status.COMPLETED)
        assert statuses.pop(jobs[1].id) == ("a", Status.PROCESSING)
        assert sorted(statuses.values()) == [("b", Status.PENDING), ("c", Status.PENDING)]
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize(
        "row",
        [
            new(priority=3),
            new(max_attempts=0),
            new()._replace(payload="\ud800"),
            new("\udfff"),
            new(idempotency_key="\ud800"),
            new()._replace(scheduled_at=2**63),
            new()._replace(scheduled_at=10**18),
        ],
    )
    async def test_a_row_that_cannot_be_stored_is_rejected(self, store: Store, row: object) -> None:
        (job,) = await running(store, new())
        with pytest.raises(StoreRejected):
            await store.apply(alone([Insert((new("b"), row)), complete(job), claim()]), NOW)  # type: ignore[arg-type]
        assert await found(store, FindJobs()) == [job.id]
        assert shown(store) == await counted(store)
        assert await one(store, complete(job)) is Status.COMPLETED

    async def test_ids_of_what_was_rejected_are_not_given_to_two_jobs(self, store: Store) -> None:
        first = await inserted(store, new())
        with pytest.raises(StoreRejected):
            await one(store, BAD)
        later = await inserted(store, new(), new())
        assert sorted({*first, *later}) == [*first, *later]

    async def test_a_claim_of_what_was_rejected_holds_no_job(self, store: Store) -> None:
        ids = await inserted(store, new(), new())
        with pytest.raises(StoreRejected):
            await store.apply([(claim("two"),), (BAD,)], NOW)
        assert [job.id for job in await claimed(store)] == ids

"""Durable steps: what attempts have done is stored once, and jobs are suspended for what is to come."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.job import Claimed, Held, Outcome, Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.steps import (
    Awaited,
    ListAwaited,
    ListRestarted,
    ListSteps,
    NewStep,
    StepKind,
    StepRow,
    StepState,
)
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, Prune, RedriveDead, RedriveJob, Release, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.instants import SECOND
from tests.helpers.steps import done, event, match, memo, ran, save, send, start, steps_of, suspend, wait
from tests.helpers.stores import (
    again,
    alone,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    found,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

FAILS = NewStep("f", StepKind.RUN, StepState.WAITING, None, '"no"', 1, at(60))


async def one_running(store: Store, **fields: Any) -> Claimed:
    """A job that is running."""
    (job,) = await running(store, new(**fields))
    return job


class SavingSteps:
    async def test_what_is_saved_is_answered_and_listed_in_its_order(self, store: Store) -> None:
        job = await one_running(store)
        sleep = NewStep("s", StepKind.SLEEP, StepState.WAITING, until=at(60))
        saved = await one(store, save(job, done("b"), sleep, done("a", "null")), 3)
        assert saved == (
            StepRow("b", StepKind.RUN, StepState.DONE, "1", None, 1, None, at(3), at(3), 1),
            StepRow("s", StepKind.SLEEP, StepState.WAITING, None, None, 0, at(60), at(3), None, None),
            StepRow("a", StepKind.RUN, StepState.DONE, "null", None, 1, None, at(3), at(3), 2),
        )
        assert await store.ask(ListSteps(job.id)) == saved
        assert await store.ask(ListSteps(99)) == ()
        assert await store.ask(ListSteps(10**30)) == ()

    async def test_what_has_ended_never_changes(self, store: Store) -> None:
        job = await one_running(store)
        lost = NewStep("l", StepKind.RUN, StepState.FAILED, None, '"gone"', 3)
        first = await one(store, save(job, done("a", "1"), lost), 1)
        again = await one(store, save(job, done("a", "2"), done("l"), done("b")), 2)
        assert first is not None
        assert again is not None
        assert again[:2] == first
        assert await store.ask(ListSteps(job.id)) == again
        assert again[2].place == 3

    async def test_one_that_waits_takes_all_but_when_it_was_stored_first(self, store: Store) -> None:
        job = await one_running(store)
        planned = FAILS._replace(kind=StepKind.PLANNED)
        await one(store, save(job, planned, done("a")), 1)
        (failed,) = await one(store, save(job, planned._replace(attempts=2, error='"again"', until=at(90))), 2) or ()
        assert failed == StepRow(
            "f", StepKind.PLANNED, StepState.WAITING, None, '"again"', 2, at(90), at(1), None, None
        )  # fmt: skip
        (ran,) = await one(store, save(job, done("f", "7")._replace(attempts=3)), 3) or ()
        assert ran == StepRow("f", StepKind.RUN, StepState.DONE, "7", None, 3, None, at(1), at(3), 2)
        assert (await store.ask(ListSteps(job.id)))[0] == ran

    async def test_an_attempt_that_is_not_owned_saves_nothing(self, store: Store) -> None:
        job = await one_running(store)
        for stale in (job._replace(owner="two"), job._replace(attempt=2), job._replace(id=job.id + 1)):
            assert await one(store, save(stale, done("a"))) is None
            assert await one(store, save(stale)) is None
            assert await one(store, save(stale, done("a"), are_new=True, are_first=True)) is None
            assert await one(store, ran((stale, "a", 1))) == [None]
        assert await one(store, save(job)) == ()
        await one(store, complete(job))
        assert await one(store, save(job, done("a"))) is None
        assert await store.ask(ListSteps(job.id)) == ()

    async def test_many_attempts_save_in_one_transaction(self, store: Store) -> None:
        jobs = await running(store, *(new() for _ in range(150)))
        stale = jobs[7]._replace(owner="two")
        writes = [save(job, done("a"), done("b")) for job in (*jobs, stale, jobs[3])]
        saved = await answers(store, *writes, save(jobs[3], done("a"), done("c")))
        assert saved[150] is None
        assert saved[151] == saved[3]
        assert [step.place for step in saved[152]] == [1, 3]
        assert [[step.place for step in one] for one in saved[:150]] == [[1, 2]] * 150
        for job in jobs[:5]:
            assert len(await store.ask(ListSteps(job.id))) == (3 if job == jobs[3] else 2)

    async def test_what_is_said_to_be_new_is_stored_as_else(self, store: Store) -> None:
        first, second, third = await running(store, new(), new(), new())
        sleep = NewStep("s", StepKind.SLEEP, StepState.WAITING, until=at(60))
        saved = await answers(
            store,
            save(first, done("a"), sleep, are_new=True, are_first=True),
            save(second, done("a"), are_new=True, are_first=True),
            save(third, wait("e"), are_new=True, are_first=True),
        )
        saved += await answers(store, save(first, done("b"), are_new=True), save(third, done("b"), are_new=True))
        assert [[step.place for step in one] for one in saved] == [[1, None], [1], [None], [2], [1]]
        assert await store.ask(ListSteps(first.id)) == (*saved[0], *saved[3])

    async def test_what_is_wrongly_said_to_be_new_harms_neither_it_nor_others(self, store: Store) -> None:
        first, second, third = await running(store, new(), new(), new())
        known = await one(store, save(first, done("a", "1"), done("b")))
        stale = save(second._replace(attempt=2), done("a"), are_new=True, are_first=True)
        saved = await answers(
            store, save(first, done("a", "2"), done("c"), are_new=True), stale, save(third, done("a"), are_new=True)
        )
        assert known is not None
        assert saved[0][0] == known[0]
        assert [step.place for step in saved[0]] == [1, 3]
        assert saved[1] is None
        assert [len(await store.ask(ListSteps(job.id))) for job in (first, second, third)] == [3, 0, 1]
        assert await one(store, stale) is None
        assert [step.place for step in await one(store, save(second, done("a"), done("b"), are_new=True)) or ()] == [
            1,
            2,
        ]

    async def test_steps_that_ran_are_stored_many_at_once(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        assert await one(store, ran(), 1) is None
        assert await one(store, ran((first, "a", 1), (second, "a", 1), (first, "b", 2)), 3) is None
        assert await one(store, ran((second, "c", 2), memo='{"ä":1.0}'), 4) is None
        assert await store.ask(ListSteps(first.id)) == (
            StepRow("a", StepKind.RUN, StepState.DONE, "1", None, 1, None, at(3), at(3), 1),
            StepRow("b", StepKind.RUN, StepState.DONE, "1", None, 1, None, at(3), at(3), 2),
        )
        (_, last) = await store.ask(ListSteps(second.id))
        assert last == StepRow("c", StepKind.RUN, StepState.DONE, '{"ä":1.0}', None, 1, None, at(4), at(4), 2)
        (more,) = await one(store, save(first, done("d"))) or ()
        assert more.place == 3
        many = await running(store, *(new() for _ in range(150)))
        assert await one(store, ran(*((job, "a", 1) for job in many))) is None

    async def test_a_step_that_ran_and_is_not_as_said_harms_no_other(self, store: Store) -> None:
        first, second, third = await running(store, new(), new(), new())
        (known,) = await one(store, save(first, done("a", "7")), 1) or ()
        lost = second._replace(attempt=2)
        found = await one(store, ran((first, "a", 1), (lost, "a", 1), (third, "a", 1)), 2)
        stored = StepRow("a", StepKind.RUN, StepState.DONE, "1", None, 1, None, at(2), at(2), 1)
        assert found == [known, None, stored]
        assert await one(store, ran((third, "b", 2)), 3) is None
        assert [len(await store.ask(ListSteps(job.id))) for job in (first, second, third)] == [1, 0, 2]
        (last,) = await one(store, save(third, done("c")), 4) or ()
        assert last.place == 3

    async def test_steps_that_ran_come_before_what_else_attempts_do(self, store: Store) -> None:
        job, other = await running(store, new(), new())
        ended, saved, both = complete(job), save(other, done("b")), ran((job, "a", 1), (other, "a", 1))
        found = await answers(store, ended, saved, both, close(other), now=1)
        assert [step.place for step in found[1]] == [2]
        assert found[2] is None
        assert list(await steps_of(store, job.id)) == ["a"]

    async def test_it_comes_before_the_end_of_its_attempt(self, store: Store) -> None:
        job, other = await running(store, new(), new())
        units = [(complete(job), save(job, done("a"))), (save(other, done("b")),), (close(other),)]
        applied = await store.apply(units, at(1))
        assert [type(answer) for answer in applied.answers] == [Status, tuple, tuple, Status]
        assert list(await steps_of(store, job.id)) == ["a"]

    async def test_what_another_owner_saved_is_known(self, two: tuple[Store, Store]) -> None:
        (job,) = await running(two[0], new())
        await one(two[0], save(job, done("a")))
        await one(two[0], again(job))
        (job,) = await claimed(two[1], claim("two"))
        (known, more) = await one(two[1], save(job, done("a", "2"), done("b"))) or ()
        assert (known.memo, known.place, more.place) == ("1", 1, 2)
        await one(two[1], again(job))
        (job,) = await claimed(two[0], claim("one"))
        (last,) = await one(two[0], save(job, done("c"))) or ()
        assert last.place == 3


class Suspending:
    async def test_it_is_held_until_an_operation_ends(self, store: Store) -> None:
        job = await one_running(store)
        unit = (save(job, wait("w")), suspend(job, "w"))
        assert [type(answer) for answer in (await store.apply([unit], at(1))).answers] == [tuple, Status]
        waiting = await stored(store, job.id)
        assert (waiting.status, waiting.held, waiting.attempts, waiting.snoozes) == (Status.PENDING, Held.EVENT, 0, 1)
        assert waiting.history == ()
        assert shown(store)["a"].held == 1
        assert await found(store, FindJobs(held=Held.EVENT)) == [job.id]
        assert await claimed(store, now=99) == []
        applied = await store.apply([(send(event()),)], at(100))
        assert applied.due is not None
        assert applied.due <= at(100)
        (resumed,) = await claimed(store, now=100)
        assert (resumed.id, resumed.attempt, resumed.snoozes) == (job.id, 1, 1)
        assert (await steps_of(store, job.id))["w"].memo == memo(1, event())
        assert shown(store) == await counted(store, 100)

    async def test_it_is_due_later_until_an_operation_ends(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w", until=60)), suspend(job, "w", until=60))
        assert shown(store)["a"].scheduled == 1
        await one(store, send(event()), 10)
        assert (await stored(store, job.id)).scheduled_at.timestamp() == at(10) / 1e6
        assert [one.id for one in await claimed(store, now=10)] == [job.id]
        assert shown(store) == await counted(store, 10)

    async def test_what_ended_meanwhile_has_it_due_now(self, store: Store) -> None:
        job, other, third = await running(store, new(), new(), new())
        await answers(store, save(job, wait("w"), wait("x")), save(other, wait("w")), save(third, done("r"), wait("w")))
        await one(store, send(event(), event()), 1)
        await answers(store, suspend(job, "w", "x"), suspend(other, "w", until=60), now=2)
        await one(store, suspend(third, "r", "unknown"), 2)
        for one_id in (job.id, other.id, third.id):
            again = await stored(store, one_id)
            assert (again.held, again.scheduled_at.timestamp()) == (None, at(0 if one_id != other.id else 2) / 1e6)
        assert len(await claimed(store, now=2)) == 3
        assert shown(store) == await counted(store, 2)

    async def test_operations_that_it_is_not_suspended_for_do_not_wake_it(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w"), wait("x", match("f"))), suspend(job, "x", "y"))
        (sent,) = await one(store, send(event()))
        assert sent.woken == (job.id,)
        assert (await stored(store, job.id)).held is Held.EVENT
        await one(store, send(event("f")))
        assert (await stored(store, job.id)).held is None

    async def test_an_operation_does_not_wake_a_job_that_was_claimed_since(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w"), wait("x", match("f"))), suspend(job, "w", "x", until=60))
        (job,) = await claimed(store, now=60)
        await one(store, again(job, scheduled_at=at(99)), 60)
        await one(store, send(event()), 61)
        assert (await stored(store, job.id)).scheduled_at.timestamp() == at(99) / 1e6
        (job,) = await claimed(store, now=99)
        await one(store, suspend(job, "unknown"), 99)
        await one(store, send(event("f")), 100)
        assert (await stored(store, job.id)).held is Held.EVENT
        assert shown(store) == await counted(store, 100)

    async def test_one_that_is_due_is_not_made_due_later(self, store: Store) -> None:
        job, other = await running(store, new(), new())
        await answers(store, *(save(one, wait("w", until=5)) for one in (job, other)))
        await answers(store, suspend(job, "w", until=5), suspend(other, "w"))
        await answers(store, send(event()), now=9)
        instants = [(await stored(store, one)).scheduled_at.timestamp() for one in (job.id, other.id)]
        assert instants == [at(5) / 1e6, at(0) / 1e6]

    @pytest.mark.parametrize(("refund", "attempts"), [(True, 0), (False, 1)])
    async def test_an_attempt_in_which_an_operation_ended_counts_as_the_first(
        self, store: Store, refund: bool, attempts: int
    ) -> None:
        job = await one_running(store)
        for _ in range(2):
            await one(store, again(job))
            (job,) = await claimed(store)
        assert job.attempt == 3
        await answers(store, save(job, done("a")), again(job, refund=refund, restarts=True))
        assert (await stored(store, job.id)).attempts == attempts
        assert shown(store) == await counted(store)
        (job,) = await claimed(store)
        assert job.attempt == attempts + 1

    async def third_attempt(self, store: Store) -> Claimed:
        """A job that has failed twice, and runs."""
        job = await one_running(store)
        for _ in range(2):
            await one(store, again(job))
            (job,) = await claimed(store)
        return job

    @pytest.mark.parametrize("until", [None, 60])
    async def test_an_operation_that_ends_gives_its_job_all_attempts_again(
        self, store: Store, until: float | None
    ) -> None:
        job = await self.third_attempt(store)
        await answers(store, save(job, wait("w"), wait("x", match("f"))), suspend(job, "w", until=until))
        assert (await stored(store, job.id)).attempts == 2
        await one(store, send(event("f")))  # the job is not suspended for that one
        assert (await stored(store, job.id)).attempts == 1
        assert shown(store) == await counted(store)
        await one(store, send(event()))
        assert [one.attempt for one in await claimed(store)] == [1]
        assert shown(store) == await counted(store)

    async def test_one_that_ended_before_the_suspension_gives_them_again_as_well(self, store: Store) -> None:
        job = await self.third_attempt(store)
        await one(store, save(job, wait("w")))
        await one(store, send(event()))
        await one(store, suspend(job, "w"))
        assert (await stored(store, job.id)).attempts == 0
        assert shown(store) == await counted(store)

    async def test_one_that_ends_while_a_retry_is_waited_for_gives_them_again_and_no_earlier_retry(
        self, store: Store
    ) -> None:
        job = await self.third_attempt(store)
        await answers(store, save(job, wait("w")), again(job, scheduled_at=at(60)))
        await one(store, send(event()), 5)
        pending = await stored(store, job.id)
        assert (pending.attempts, pending.scheduled_at.timestamp()) == (1, at(60) / 1e6)
        assert shown(store) == await counted(store, 5)
        assert await claimed(store, now=59) == []

    async def crashed_twice(self, store: Store) -> Claimed:
        """A job that was lost twice, and runs."""
        job = await one_running(store)
        for _ in range(2):
            await one(store, again(job, Outcome.LOST))
            (job,) = await claimed(store)
        assert (job.attempt, job.crashes) == (3, 2)
        return job

    @pytest.mark.parametrize(
        ("outcome", "refund", "counted"),
        [(Outcome.LOST, False, (1, 1)), (Outcome.FAILED, False, (1, 0)), (Outcome.SNOOZED, True, (0, 0)),
         (Outcome.INTERRUPTED, True, (0, 0))],
    )  # fmt: skip
    async def test_crashes_count_from_an_attempt_in_which_an_operation_ended(
        self, store: Store, outcome: Outcome, refund: bool, counted: tuple[int, int]
    ) -> None:
        job = await self.crashed_twice(store)
        await answers(store, save(job, done("a")), again(job, outcome, refund=refund, restarts=True))
        pending = await stored(store, job.id)
        assert (pending.attempts, pending.crashes) == counted
        assert pending.attempts or pending.snoozes or pending.interruptions  # the next attempt looks for operations

    async def test_crashes_count_on_after_an_attempt_in_which_none_ended(self, store: Store) -> None:
        job = await self.crashed_twice(store)
        await one(store, save(job, wait("w")))
        await one(store, again(job, Outcome.LOST))
        assert (await stored(store, job.id)).crashes == 3

    async def test_crashes_count_from_an_operation_that_ends_while_its_job_is_suspended_for_it(
        self, store: Store
    ) -> None:
        job = await self.crashed_twice(store)
        await answers(store, save(job, wait("w"), wait("x", match("f"))), suspend(job, "w"))
        assert (await stored(store, job.id)).crashes == 2
        await one(store, send(event("f")))  # the job is not suspended for that one: at most one crash counts
        assert [(one.attempts, one.crashes) for one in [await stored(store, job.id)]] == [(2, 1)]
        await one(store, send(event()))
        assert [(one.attempts, one.crashes) for one in [await stored(store, job.id)]] == [(0, 0)]
        assert [(one.attempt, one.snoozes) for one in await claimed(store)] == [(1, 1)]

    async def test_one_that_ended_before_the_suspension_has_crashes_count_from_it(self, store: Store) -> None:
        job = await self.crashed_twice(store)
        await one(store, save(job, wait("w")))
        await one(store, send(event()))
        await one(store, suspend(job, "w"))
        assert [(one.attempts, one.crashes) for one in [await stored(store, job.id)]] == [(0, 0)]

    async def test_one_that_ends_after_a_crash_leaves_one_to_count(self, store: Store) -> None:
        job = await self.crashed_twice(store)
        await answers(store, save(job, wait("w")), again(job, Outcome.LOST, scheduled_at=at(60)))
        await one(store, send(event()), 5)
        assert [(one.attempts, one.crashes) for one in [await stored(store, job.id)]] == [(1, 1)]
        assert shown(store) == await counted(store, 5)

    @pytest.mark.parametrize("is_from_outside", [False, True])
    async def test_what_is_late_of_a_lost_attempt_is_not_taken_for_something_of_the_next(
        self, store: Store, *, is_from_outside: bool
    ) -> None:
        """Its owner lives, and claims the job again: both attempts come behind an operation that has ended."""
        job = await one_running(store)
        await answers(store, save(job, done("a"), wait("w")), again(job, Outcome.FAILED, restarts=True))
        (lost,) = await claimed(store)
        if is_from_outside:
            await one(store, again(lost, Outcome.LOST))
            await one(store, send(event()))
        else:
            await answers(store, save(lost, done("b")), again(lost, Outcome.LOST, restarts=True))
        (following,) = await claimed(store)
        assert (lost.attempt, following.attempt, following.crashes, lost.owner) == (2, 3, 1, following.owner)
        for late in (again(lost, Outcome.FAILED), again(lost, Outcome.LOST), complete(lost)):
            assert await one(store, late) is None
        assert await one(store, save(lost, done("c"))) is None
        assert await one(store, complete(following)) is Status.COMPLETED

    async def test_one_that_ends_while_an_attempt_runs_leaves_its_number(self, store: Store) -> None:
        job = await self.third_attempt(store)
        await one(store, save(job, wait("w")))
        await one(store, send(event()))
        assert (await stored(store, job.id)).attempts == 3
        assert await one(store, complete(job)) is Status.COMPLETED

    async def test_a_cancel_that_was_asked_for_ends_it(self, store: Store) -> None:
        job = await one_running(store)
        await one(store, CancelJob(job.id, "gone"))
        saved, status = await answers(store, save(job, wait("w")), suspend(job, "w"))
        assert (len(saved), status) == (1, Status.CANCELLED)
        cancelled = await stored(store, job.id)
        assert (cancelled.held, cancelled.reason, cancelled.attempts) == (None, "gone", 0)
        assert [past.outcome for past in cancelled.history] == [Outcome.CANCELLED]
        (sent,) = await one(store, send(event()))
        assert sent.woken == ()
        assert (await steps_of(store, job.id))["w"].state is StepState.WAITING

    async def test_it_does_not_expire(self, store: Store) -> None:
        await one(store, Admit((Candidate(new(), expires=5 * SECOND),)))
        (job,) = await claimed(store)
        await answers(store, save(job, wait("w")), suspend(job, "w", until=60))
        assert await store.ask(GetExpiry(job.id)) is None
        assert len(await claimed(store, now=60)) == 1

    async def test_it_can_be_released_and_rescheduled(self, store: Store) -> None:
        job, other = await running(store, new(), new())
        await answers(store, save(job, wait("w")), suspend(job, "w"))
        await answers(store, save(other, wait("w")), suspend(other, "w", until=60))
        assert await answers(store, Reschedule(job.id, at(5)), Reschedule(other.id, at(90))) == [False, True]
        assert await one(store, Release((job.id, other.id), Held.EVENT)) == 1
        await one(store, send(event()), 1)
        assert {one.id for one in await claimed(store, now=1)} == {job.id, other.id}
        assert shown(store) == await counted(store, 1)


class WhatIsAwaited:
    async def test_it_is_what_a_pending_job_is_suspended_for_and_what_is_waited_for(self, store: Store) -> None:
        job = await one_running(store)
        sleep = NewStep("s", StepKind.SLEEP, StepState.WAITING, until=at(60))
        wanted = match("e", n=1, user__name="x")
        _, (_, child) = await answers(store, save(job, done("d"), sleep, wait("w", wanted), FAILS), start(job))
        assert await store.ask(ListAwaited(job.id)) == ()
        await one(store, suspend(job, "d", "s", "w", "child", until=60))
        steps = await steps_of(store, job.id)
        expected = (
            Awaited(steps["s"], None, None), Awaited(steps["w"], wanted, None), Awaited(steps["child"], None, child.id),
        )  # fmt: skip
        assert await store.ask(ListAwaited(job.id)) == expected
        await one(store, CancelJob(child.id, None))
        assert [one.step.name for one in await store.ask(ListAwaited(job.id))] == ["s", "w"]
        (job,) = await claimed(store)
        assert await store.ask(ListAwaited(job.id)) == ()
        await one(store, again(job))
        assert await store.ask(ListAwaited(job.id)) == ()

    async def test_a_job_that_is_not_there_awaits_nothing(self, store: Store) -> None:
        assert await store.ask(ListAwaited(99)) == ()
        assert await store.ask(ListAwaited(10**30)) == ()


class Restarted:
    async def restarted(self, store: Store, *jobs: Claimed, until: float = 99) -> set[int]:
        return await store.ask(ListRestarted(tuple([job.id for job in jobs]), at(until)))

    async def test_an_operation_that_ended_in_the_running_attempt_is_known(self, store: Store) -> None:
        by_step, by_event, waits, has_none = jobs = await running(store, new(), new(), new(), new())
        fails = save(waits, FAILS, NewStep("s", StepKind.SLEEP, StepState.WAITING, until=at(1)))
        await answers(store, save(by_step, done("a")), save(by_event, wait("w")), fails, now=1)
        assert await self.restarted(store, *jobs) == {by_step.id}
        await one(store, send(event()), 2)
        assert await self.restarted(store, *jobs) == {by_step.id, by_event.id}
        assert await self.restarted(store, by_event, has_none) == {by_event.id}
        assert await self.restarted(store) == set()

    async def test_one_that_failed_for_good_has_ended(self, store: Store) -> None:
        job = await one_running(store)
        await one(store, save(job, NewStep("l", StepKind.RUN, StepState.FAILED, None, '"gone"', 3)), 1)
        assert await self.restarted(store, job) == {job.id}

    async def test_one_that_ended_in_an_earlier_attempt_does_not_count(self, store: Store) -> None:
        job = await one_running(store)
        await one(store, save(job, done("a")), 1)
        await one(store, again(job, Outcome.LOST), 2)
        (job,) = await claimed(store, now=3)
        assert await self.restarted(store, job) == set()
        await one(store, save(job, done("b")), 3)
        assert await self.restarted(store, job) == {job.id}

    async def test_one_that_ended_while_its_job_was_pending_does_not_count(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w")), suspend(job, "w"))
        await one(store, send(event()), 1)
        (job,) = await claimed(store, now=2)
        assert await self.restarted(store, job) == set()

    async def test_a_job_that_is_not_processing_does_not_count(self, store: Store) -> None:
        pending, ended = await running(store, new(), new())
        await answers(store, *(save(job, done("a")) for job in (pending, ended)), now=1)
        await answers(store, again(pending), complete(ended), now=2)
        assert await self.restarted(store, pending, ended) == set()
        assert await store.ask(ListRestarted((99, 10**15), at(9))) == set()

    async def test_by_a_clock_that_was_set_back_one_of_the_future_does_not_count(self, store: Store) -> None:
        """Else a job would count anew at each crash until that instant has come."""
        job = await one_running(store)
        await one(store, save(job, done("a")), 60)
        await one(store, again(job, Outcome.LOST, scheduled_at=at(1)), 61)
        (job,) = await claimed(store, now=1)
        assert await self.restarted(store, job, until=59) == set()
        assert await self.restarted(store, job, until=60) == {job.id}


class EndedAndRedriven:
    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD, Status.CANCELLED])
    async def test_a_job_that_has_ended_waits_for_nothing(self, store: Store, status: Status) -> None:
        job = await one_running(store)
        ending = complete(job) if status is Status.COMPLETED else close(job, status)
        await answers(store, save(job, wait("w")), ending)
        (sent,) = await one(store, send(event()))
        assert (sent.woken, sent.has_more) == ((), False)
        assert (await steps_of(store, job.id))["w"].state is StepState.WAITING

    async def test_one_that_was_suspended_and_is_cancelled_waits_for_nothing(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w")), suspend(job, "w"))
        _, sent = await answers(store, CancelJob(job.id, "x"), send(event()))
        assert sent[0].woken == ()
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("many", [False, True])
    async def test_a_redriven_job_keeps_what_was_done(self, store: Store, many: bool) -> None:
        job = await one_running(store)
        lost = NewStep("l", StepKind.RUN, StepState.FAILED, None, '"gone"', 3)
        await one(store, save(job, done("a"), lost, wait("w"), done("b"), FAILS))
        await one(store, close(job))
        assert len(await steps_of(store, job.id)) == 5
        await one(store, RedriveDead((job.id,)) if many else RedriveJob(job.id))
        assert list(await steps_of(store, job.id)) == ["a", "b"]
        (job,) = await claimed(store)
        assert (job.attempt, job.snoozes) == (1, 1)
        (again, more) = await one(store, save(job, done("a", "2"), done("l"))) or ()
        assert (again.memo, more.place) == ("1", 4)

    async def test_one_that_is_cancelled_and_redriven_at_once_waits_for_nothing(self, store: Store) -> None:
        job = await one_running(store)
        await answers(store, save(job, wait("w"), done("a")), suspend(job, "w"))
        *_, sent = await answers(store, CancelJob(job.id, "x"), RedriveJob(job.id), send(event()))
        assert sent[0].woken == ()
        assert list(await steps_of(store, job.id)) == ["a"]
        assert shown(store) == await counted(store)

    async def test_operations_go_with_their_job(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        (kept,) = await running(store, new("b"))
        await answers(store, *(save(job, done("a"), wait("w")) for job in (first, second, kept)))
        await answers(store, complete(first), suspend(second, "w"))
        assert await one(store, Prune(at(9), at(9), at(9), 9)) == 3  # it counts as the job and its operations
        assert await one(store, DeleteJob(second.id)) is Status.PENDING
        (sent,) = await one(store, send(event()))
        assert sent.woken == (kept.id,)
        assert [len(await store.ask(ListSteps(job.id))) for job in (first, second, kept)] == [0, 0, 2]

    async def test_a_job_with_many_operations_is_pruned_alone(self, store: Store) -> None:
        jobs = await running(store, *(new() for _ in range(3)))
        await answers(store, *(save(job, *(done(f"s{n}") for n in range(5))) for job in jobs))
        await answers(store, *map(complete, jobs))
        assert [await one(store, Prune(at(9), at(9), at(9), 7)) for _ in range(3)] == [12, 6, 0]


class StepsAndKeys:
    async def test_a_job_with_an_ordered_lane_that_is_woken_keeps_its_place(self, store: Store) -> None:
        lane = lane_text("a", 1, (("l", 1),), is_ordered=True)
        await one(store, SetLimits((StoredLimit("l", 1),)))
        await one(store, Insert((new(lane=lane), new(lane=lane))))
        (job,) = await claimed(store)
        await answers(store, save(job, wait("w")), suspend(job, "w"))
        (second,) = await claimed(store)
        await one(store, send(event()))
        assert await claimed(store) == []
        await one(store, complete(second))
        assert [one.id for one in await claimed(store)] == [job.id]

    async def test_a_child_that_suspends_is_awaited_all_the_same(self, store: Store) -> None:
        job = await one_running(store)
        _, made = (await answers(store, start(job), suspend(job, "child")))[0]
        (child,) = await claimed(store, claim(types=["child"]))
        await answers(store, save(child, wait("w")), suspend(child, "w"))
        await one(store, send(event()))
        (child,) = await claimed(store, claim(types=["child"]))
        assert child.id == made.id
        await store.apply(alone([complete(child, "5")]), at(0))
        assert (await steps_of(store, job.id))["child"].memo == '{"data":5}'
        assert len(await inserted(store, new())) == 1

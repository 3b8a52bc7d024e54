"""Claims: which jobs, in what order, within which limits."""

from __future__ import annotations

import random

import pytest

from aiojobs_lite.model.job import NewJob, Outcome, Status
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.model.writes import Insert, PauseType, RedriveJob, Redriven
from aiojobs_lite.stores.base import Store
from tests.helpers.rings import first_of
from tests.helpers.stores import (
    NOW,
    again,
    answers,
    at,
    claim,
    claimed,
    complete,
    finished,
    fire,
    inserted,
    micros,
    new,
    one,
    running,
    stored,
)


def _chosen(waiting: dict[int, NewJob], limit: int, slots: dict[str, int]) -> list[int]:
    """The jobs that a claim at `NOW` takes, in their order."""
    left, chosen = dict(slots), list[int]()
    for job_id, row in sorted(waiting.items(), key=lambda item: (item[1].priority, item[1].scheduled_at, item[0])):
        if row.scheduled_at <= NOW and len(chosen) < limit and left.get(row.type, limit) > 0:
            left[row.type] = left.get(row.type, limit) - 1
            chosen.append(job_id)
    return chosen


class ClaimOrder:
    async def test_claims_go_by_priority_then_time_then_id(self, store: Store) -> None:
        rows = [new("ab"[n % 2], priority=(n * 7) % 3, due=-((n * 5) % 4)) for n in range(60)]
        ids = await inserted(store, *rows)
        places = {job_id: (*row[2:4], job_id) for job_id, row in zip(ids, rows, strict=True)}
        got = [job.id for _ in range(4) for job in await claimed(store, claim(limit=17, types="ab"))]
        assert got == sorted(ids, key=places.__getitem__)

    async def test_many_types_are_claimed_in_one_order(self, store: Store) -> None:
        names = [f"type {n}" for n in range(300)]
        rows = [new(names[(n * 7) % 300], priority=n % 3, due=-((n * 11) % 50)) for n in range(600)]
        ids = await inserted(store, *rows)
        places = {job_id: (*row[2:4], job_id) for job_id, row in zip(ids, rows, strict=True)}
        got = [job.id for _ in range(7) for job in await claimed(store, claim(limit=90, types=names))]
        assert got == sorted(ids, key=places.__getitem__)

    async def test_a_new_urgent_job_goes_before_an_old_one_that_can_wait(self, store: Store) -> None:
        (low,) = await inserted(store, new(priority=2, due=-9))
        (high,), answer = await answers(store, Insert((new(priority=0),)), claim(limit=1))
        assert [job.id for job in answer.jobs] == [high.id]
        assert [job.id for job in await claimed(store)] == [low]

    async def test_a_new_job_does_not_overtake_an_older_one_of_its_type(self, store: Store) -> None:
        (old,) = await inserted(store, new(due=-5))
        _, answer = await answers(store, Insert((new(due=-4),)), claim(limit=1))
        assert [job.id for job in answer.jobs] == [old]

    async def test_of_jobs_due_at_one_instant_the_stored_go_before_the_new(self, store: Store) -> None:
        stored_ids = await inserted(store, new("b"), new("a"))
        made, answer = await answers(store, Insert((new("a"), new("b"))), claim(limit=3, types="ab"))
        assert [job.id for job in answer.jobs] == [*stored_ids, made[0].id]
        assert [job.id for job in await claimed(store, claim(types="ab"))] == [made[1].id]

    async def test_new_and_stored_jobs_are_claimed_in_one_order(self, store: Store) -> None:
        first, third = await inserted(store, new("a", due=-9), new("b", due=-7))
        rows = (new("a", due=-8), new("b", due=-6), new("b", due=-8.5))
        made, answer = await answers(store, Insert(rows), claim(limit=4, types="ab", slots={"b": 2}))
        assert [job.id for job in answer.jobs] == [first, made[2].id, made[0].id, third]

    async def test_new_jobs_with_and_without_keys_are_claimed_in_one_order(self, store: Store) -> None:
        rows = tuple(new(due=-((n * 3) % 7), idempotency_key=f"k{n}" if n % 2 else None) for n in range(7))
        made, answer = await answers(store, Insert(rows), claim(limit=5))
        in_order = sorted(range(7), key=lambda n: (rows[n].scheduled_at, n))
        assert [job.id for job in answer.jobs] == [made[n].id for n in in_order[:5]]

    @pytest.mark.parametrize("seed", first_of(4, range(12)))
    async def test_jobs_of_few_types_in_turns_are_claimed_in_one_order(self, store: Store, seed: int) -> None:
        draw = random.Random(seed)
        names = "abcd"[: 1 + seed % 4]
        waiting: dict[int, NewJob] = {}
        for _ in range(12):
            rows = tuple(
                new(draw.choice(names), priority=draw.choice((1, 1, 2)), due=draw.randint(-60, 2))
                for _ in range(draw.randint(0, 70))
            )
            limit, slots = draw.randint(1, 40), {name: draw.randint(0, 20) for name in names if draw.random() < 0.3}
            made, answer = await answers(store, Insert(rows), claim(limit=limit, types=names, slots=slots))
            waiting |= {job.id: row for job, row in zip(made, rows, strict=True)}
            expected = _chosen(waiting, limit, slots)
            assert [job.id for job in answer.jobs] == expected
            for job_id in expected:
                del waiting[job_id]

    async def test_whatever_a_transaction_makes_claimable_it_claims_in_one_order(self, store: Store) -> None:
        dead = await finished(store, new(), Status.DEAD)
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        (failed,) = await running(store, new())
        (old,) = await inserted(store, new(due=-1))
        ended, redriven, tick, made, answer = await answers(
            store,
            again(failed, scheduled_at=at(-2)),
            RedriveJob(dead),
            fire("s", at(0), at(60), new(due=-4), skip_overlap=True),
            Insert((new(due=-3), new(due=-0.5))),
            claim(),
        )
        assert (ended, redriven, tick.what) == (Status.PENDING, Redriven(Status.DEAD), "fired")
        in_order = [tick.job_id, made[0].id, failed.id, old, made[1].id, dead]
        assert [job.id for job in answer.jobs] == in_order


class ClaimPool:
    async def test_types_that_share_a_pool_are_given_no_more_than_it_has(self, store: Store) -> None:
        a, b, c, _, more = await inserted(store, new("a"), new("b"), new("c"), new("a"), new("c"))
        first = claim(types="abc", pooled="ab", pool_slots=1)
        assert [job.id for job in await claimed(store, first)] == [a, c, more]
        assert await claimed(store, claim(types="abc", pooled="ab")) == []
        assert [job.id for job in await claimed(store, claim(types="abc", pooled="ab", pool_slots=1))] == [b]

    async def test_new_jobs_take_of_the_pool_as_well(self, store: Store) -> None:
        made, answer = await answers(
            store, Insert((new("a"), new("b"), new("c"))), claim(types="abc", pooled="ab", pool_slots=1)
        )
        assert [job.id for job in answer.jobs] == [made[0].id, made[2].id]

    async def test_the_slots_of_a_type_bound_it_within_the_pool(self, store: Store) -> None:
        await inserted(store, *(new(name) for name in "aaabbb"))
        jobs = await claimed(store, claim(types="ab", slots={"a": 1}, pooled="ab", pool_slots=3))
        assert [job.type for job in jobs] == ["a", "b", "b"]


class Claiming:
    async def test_a_claimed_job_brings_what_its_owner_needs(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(priority=2, max_attempts=3, tick=at(-5), metadata='{"a": 1}'))
        (job,) = await claimed(store, now=1)
        assert job[:9] == (job_id, "a", '{"x": 1}', 2, NOW, 1, 3, NOW, at(1))
        assert job[9:] == (0, 0, 0, at(-5), "one", None, '{"a": 1}')
        found = await stored(store, job_id)
        assert (found.status, found.owner, found.attempts) == (Status.PROCESSING, "one", 1)
        assert micros(found.started_at) == at(1)

    async def test_a_job_of_the_same_transaction_is_claimed_at_once_and_stands_so(self, store: Store) -> None:
        (job,) = await running(store, new(priority=2, max_attempts=3, tick=at(-5), label="eu", metadata='{"a": 1}'))
        assert job[1:] == ("a", '{"x": 1}', 2, NOW, 1, 3, NOW, NOW, 0, 0, 0, at(-5), "one", "eu", '{"a": 1}')
        found = await stored(store, job.id)
        assert (found.status, found.owner, found.attempts) == (Status.PROCESSING, "one", 1)
        assert micros(found.started_at) == NOW

    async def test_a_later_claim_brings_the_counters(self, store: Store) -> None:
        (job,) = await running(store, new())
        for outcome in (Outcome.SNOOZED, Outcome.INTERRUPTED, Outcome.INTERRUPTED, Outcome.LOST, Outcome.FAILED):
            await one(store, again(job, outcome))
            (job,) = await claimed(store)
        assert (job.attempt, job.snoozes, job.interruptions, job.crashes) == (6, 1, 2, 1)

    async def test_a_job_is_not_claimed_before_its_time(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(due=1))
        assert await claimed(store, now=0.999999) == []
        assert [job.id for job in await claimed(store, now=1)] == [job_id]

    async def test_a_new_job_is_not_claimed_before_its_time(self, store: Store) -> None:
        _, answer = await answers(store, Insert((new(due=0.000001),)), claim())
        assert answer.jobs == []

    async def test_a_clock_that_goes_back_claims_what_was_due_by_it(self, store: Store) -> None:
        early, late = await inserted(store, new(due=-90), new(due=-10), now=0)
        assert [job.id for job in await claimed(store, now=-60)] == [early]
        assert [job.id for job in await claimed(store, now=0)] == [late]

    async def test_no_job_is_claimed_twice(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(5)))
        first = await claimed(store, claim("one", limit=3))
        second = await claimed(store, claim("two"))
        assert sorted(job.id for job in first + second) == ids
        assert await claimed(store, claim("three")) == []

    async def test_only_the_types_that_the_owner_can_run_are_claimed(self, store: Store) -> None:
        await inserted(store, new("a"), new("b"))
        write = claim(types=["b", "unknown"], slots={"a": 5, "b": 5, "c": 5})
        _, answer = await answers(store, Insert((new("a"), new("b"))), write)
        assert [job.type for job in answer.jobs] == ["b", "b"]
        assert answer.limited_types == frozenset()

    async def test_what_ends_due_is_claimed_by_the_same_transaction_again(self, store: Store) -> None:
        (job,) = await running(store, new())
        answer, ended = await answers(store, claim("two"), again(job), now=1)
        assert ended is Status.PENDING
        assert [(one.id, one.attempt, one.owner) for one in answer.jobs] == [(job.id, 2, "two")]


class ClaimLimits:
    async def test_limit_bounds_all_types_together(self, store: Store) -> None:
        rows = tuple(new("ab"[n % 2]) for n in range(10))
        await inserted(store, *rows)
        _, answer = await answers(store, Insert(rows), claim(limit=7, types="ab"))
        assert len(answer.jobs) == 7
        assert answer.limited_types == frozenset()

    @pytest.mark.parametrize("is_new", [True, False])
    async def test_slots_bound_single_types(self, store: Store, is_new: bool) -> None:
        rows = tuple(new("abcd"[n % 4]) for n in range(12))
        write = claim(types="abc", slots={"a": 2, "b": 0})
        if is_new:
            _, answer = await answers(store, Insert(rows), write)
        else:
            await inserted(store, *rows)
            answer = await one(store, write)
        assert sorted(job.type for job in answer.jobs) == ["a", "a", "c", "c", "c"]
        assert answer.limited_types == frozenset()

    @pytest.mark.parametrize("is_new", [True, False])
    async def test_concurrency_holds_over_all_owners(self, store: Store, is_new: bool) -> None:
        await running(store, new(), new(), owner="other")
        rows = tuple(new() for _ in range(5))
        write = claim(slots={"a": 4}, concurrency={"a": 3})
        if is_new:
            _, answer = await answers(store, Insert(rows), write)
        else:
            await inserted(store, *rows)
            answer = await one(store, write)
        assert len(answer.jobs) == 1
        assert answer.limited_types == {"a"}

    async def test_concurrency_below_what_is_processing_claims_nothing(self, store: Store) -> None:
        await running(store, new(), new(), new(), owner="other")
        await inserted(store, new(), new("b"))
        answer = await one(store, claim(types="ab", concurrency={"a": 1, "c": 0}))
        assert [job.type for job in answer.jobs] == ["b"]
        assert answer.limited_types == {"a"}

    async def test_a_full_type_does_not_stand_in_the_way_of_others(self, store: Store) -> None:
        await inserted(store, *(new(priority=0, due=-9) for _ in range(5)), new("b", priority=2))
        answer = await one(store, claim(limit=3, types="ab", slots={"a": 1}))
        assert [job.type for job in answer.jobs] == ["a", "b"]

    async def test_what_an_end_frees_the_claim_of_its_transaction_takes(self, store: Store) -> None:
        (job,) = await running(store, new())
        (waiting,) = await inserted(store, new())
        answer, ended = await answers(store, claim(concurrency={"a": 1}), complete(job))
        assert ended is Status.COMPLETED
        assert [one.id for one in answer.jobs] == [waiting]

    async def test_a_paused_type_is_held_back_for_every_owner_until_it_is_resumed(self, store: Store) -> None:
        (job_id,) = await inserted(store, new())
        await one(store, PauseType("a", paused=True))
        await one(store, PauseType("a", paused=True))
        for owner in ("one", "two"):
            _, answer = await answers(store, Insert((new(),)), claim(owner))
            assert (answer.jobs, answer.limited_types) == ([], {"a"})
        await one(store, PauseType("a", paused=False))
        await one(store, PauseType("b", paused=False))
        assert (await claimed(store))[0].id == job_id

    async def test_a_pause_counts_for_the_claim_of_its_own_transaction(self, store: Store) -> None:
        await inserted(store, new())
        answer, _ = await answers(store, claim(), PauseType("a", paused=True))
        assert answer.jobs == []

    async def test_a_type_without_due_jobs_need_not_be_held_back(self, store: Store) -> None:
        """It may be named only if it is paused or at its limit."""
        await running(store, new(), owner="other")
        await one(store, PauseType("b", paused=True))
        await inserted(store, new(due=9), new("b", due=9), new("c", due=9))
        answer = await one(store, claim(types="abcd", concurrency={"a": 1, "c": 1}))
        assert answer.jobs == []
        assert answer.limited_types <= {"a", "b"}

"""Jobs that expire: what `Claim` and `Admit` do about them, and what moves their expiry."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.expiries import Expired, GetExpiry
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.queries import GetDatabaseId
from aiojobs_lite.model.writes import (
    DeleteJob,
    PauseType,
    Prune,
    RedriveDead,
    RedriveJob,
    Reschedule,
    Write,
)
from aiojobs_lite.stores.base import Applied, Store
from tests.helpers import stores
from tests.helpers.stores import (
    again,
    alone,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    micros,
    new,
    one,
    shown,
    stored,
)

SECOND = 1_000_000
UNIQUE: dict[str, Any] = {"unique_key": "[1]", "unique_scope": "unfinished"}


def expiring(seconds: float = 10, job_type: str = "a", **fields: Any) -> Candidate:
    """A job that expires so long after it is due."""
    conflict = fields.pop("on_conflict", "return")
    return Candidate(new(job_type, **fields), conflict, expires=round(seconds * SECOND))


async def added(store: Store, *candidates: Candidate, now: float = 0) -> list[int]:
    """Adds jobs; returns their ids."""
    answer = await one(store, Admit(candidates), now)
    assert not isinstance(answer, Refused)
    return [inserted.id for inserted in answer]


async def applied(store: Store, *writes: Write[Any], now: float = 0) -> Applied:
    """Applies writes, each a unit."""
    return await store.apply(alone(writes), at(now))


class Expiring:
    async def test_a_job_is_claimed_before_its_expiry_and_cancelled_from_then_on(self, store: Store) -> None:
        early, late = await added(store, expiring(10), expiring(11))
        assert [job.id for job in (await one(store, claim(limit=1), 9.999)).jobs] == [early]
        found = await applied(store, claim(), now=11)
        assert (found.answers[0].jobs, list(found.expired)) == ([], [Expired(late, "a")])
        job = await stored(store, late)
        assert (job.status, job.reason, micros(job.completed_at)) == (Status.CANCELLED, "expired", at(11))
        assert shown(store) == await counted(store, 11)

    async def test_it_counts_from_when_the_job_is_due(self, store: Store) -> None:
        later, past = await added(store, expiring(10, due=60), expiring(10, due=-60))
        assert await store.ask(GetExpiry(later)) == at(70)
        assert await store.ask(GetExpiry(past)) == at(10)  # from its enqueue
        assert await store.ask(GetExpiry(later + 99)) is None

    async def test_of_every_type_also_what_is_held_or_paused(self, store: Store) -> None:
        await added(store, expiring(10), expiring(10, "paused"), expiring(10, "unknown"), expiring(10, due=0.5))
        (job,) = (await one(store, claim(limit=1))).jobs
        await one(store, stores.hold(job))
        await one(store, PauseType("paused", paused=True))
        found = await applied(store, claim("two", limit=0, types=["b"]), now=11)
        assert sorted(one.id for one in found.expired) == [1, 2, 3, 4]
        assert {(await stored(store, one.id)).held for one in found.expired} == {None}
        assert shown(store) == await counted(store, 11)

    async def test_an_attempt_that_runs_goes_on(self, store: Store) -> None:
        await added(store, expiring())
        (job,) = await claimed(store)
        found = await applied(store, claim("two"), now=99)
        assert (list(found.expired), found.expires_at) == ([], None)
        await one(store, complete(job), now=100)
        assert (await stored(store, job.id)).status is Status.COMPLETED
        assert shown(store) == await counted(store, 100)

    async def test_no_attempt_begins_later_not_even_a_retry(self, store: Store) -> None:
        await added(store, expiring(), expiring(), expiring())
        failed, interrupted, waits = await claimed(store)
        await one(store, again(waits, scheduled_at=at(60)), now=5)
        await applied(store, claim("two"), now=20)
        assert (await stored(store, waits.id)).reason == "expired"
        ends = again(failed, scheduled_at=at(21)), again(interrupted, Outcome.INTERRUPTED, refund=True)
        found = await applied(store, *ends, claim("two"), now=21)
        assert {one.id for one in found.expired} == {failed.id, interrupted.id}
        assert found.answers[-1].jobs == []
        job = await stored(store, failed.id)
        assert ([past.outcome for past in job.history], job.reason) == ([Outcome.FAILED], "expired")
        assert shown(store) == await counted(store, 21)

    async def test_without_a_claim_the_store_says_when_one_is_worth_while(self, store: Store) -> None:
        found = await applied(store, Admit((expiring(20), expiring(10), Candidate(new()))))
        assert found.expires_at is not None
        assert found.expires_at <= at(10)
        found = await applied(store, claim(limit=0), now=10)
        assert list(found.expired) == [Expired(2, "a")]
        assert found.expires_at is not None
        assert at(10) < found.expires_at <= at(20)
        (job, *_) = await claimed(store, now=11)
        found = await applied(store, claim(limit=0), now=20)
        assert (list(found.expired), found.expires_at) == ([], None)
        found = await applied(store, again(job), now=21)  # it came while the attempt ran
        assert found.expires_at is not None
        assert found.expires_at <= at(21)

    async def test_very_many_that_expired_are_never_claimed(self, store: Store) -> None:
        for _ in range(7):
            await added(store, *(expiring(10, "ab"[n % 2]) for n in range(100)), Candidate(new()))
        claimed_ids, expired_ids = set(), set()
        for _ in range(9):
            found = await applied(store, claim(limit=300, types=["a", "b"], concurrency={"a": 50}), now=10)
            claimed_ids |= {job.id for job in found.answers[0].jobs}
            expired_ids |= {one.id for one in found.expired}
        assert (len(claimed_ids), len(expired_ids)) == (7, 700)
        assert found.expires_at is None
        assert shown(store) == await counted(store, 10)

    async def test_a_file_without_expiries_says_so(self, store: Store) -> None:
        found = await applied(store, Admit((Candidate(new()),)), claim())
        assert (found.expires_at, list(found.expired)) == (None, [])
        assert await store.ask(GetDatabaseId())


class ExpiringKeys:
    async def test_a_unique_key_is_free_when_its_job_has_expired(self, store: Store) -> None:
        (first,) = await added(store, expiring(**UNIQUE))
        assert await added(store, expiring(**UNIQUE), now=9) == [first]
        found = await applied(store, Admit((expiring(on_conflict="raise", **UNIQUE),)), now=10)
        ((second, is_new),) = found.answers[0]
        assert (is_new, list(found.expired)) == (True, [Expired(first, "a")])
        assert (await stored(store, first)).status is Status.CANCELLED
        assert second != first
        assert shown(store) == await counted(store, 10)

    async def test_that_is_so_although_the_call_is_refused(self, store: Store) -> None:
        (first, other) = await added(
            store, expiring(**UNIQUE), Candidate(new(unique_key="[2]", unique_scope="pending"))
        )
        rows = expiring(**UNIQUE), Candidate(new(unique_key="[2]", unique_scope="pending"), "raise")
        found = await applied(store, Admit(rows), now=10)
        assert found.answers == [Refused(1, "unique", other, Status.PENDING)]
        assert list(found.expired) == [Expired(first, "a")]
        assert shown(store) == await counted(store, 10)

    async def test_one_that_gets_a_payload_gets_its_expiry(self, store: Store) -> None:
        (first,) = await added(store, expiring(**UNIQUE))
        await added(store, expiring(5, due=60, on_conflict="replace", **UNIQUE))
        assert await store.ask(GetExpiry(first)) == at(65)
        await added(store, Candidate(new(due=90, **UNIQUE), "replace"))
        assert await store.ask(GetExpiry(first)) is None
        assert [job.id for job in await claimed(store, now=9999)] == [first]

    async def test_a_window_has_its_key_although_its_job_expired(self, store: Store) -> None:
        windowed = Candidate(new(), window_key="[1]", window=60 * SECOND, expires=10 * SECOND)
        (first,) = await added(store, windowed)
        assert await added(store, windowed, now=20) == [first]
        refused = await one(store, Admit((windowed._replace(on_conflict="replace"),)), now=20)
        assert refused == Refused(0, "unique", first, Status.CANCELLED)

    async def test_jobs_that_are_stored_late_have_their_keys_for_the_rows_behind_them(self, store: Store) -> None:
        unique = expiring(**UNIQUE)
        windowed = Candidate(new(), "replace", window_key="[1]", window=60 * SECOND, expires=10 * SECOND)
        first, same, second, replaced = await added(store, unique, unique, windowed, windowed, now=20)
        assert (same, replaced) == (first, second)
        found = await applied(store, claim(), now=20)
        assert (found.answers[0].jobs, list(found.expired)) == ([], [Expired(first, "a"), Expired(second, "a")])
        assert shown(store) == await counted(store, 20)

    async def test_what_has_expired_is_cancelled_before_rows_are_counted(self, store: Store) -> None:
        """Whichever row has its key, and also if one is refused."""
        most_two = Candidate(new(), max_pending=2)
        first, _ = await added(store, expiring(**UNIQUE), most_two)
        rows = most_two, expiring(**UNIQUE)._replace(max_pending=2), most_two
        found = await applied(store, Admit(rows), now=10)
        assert found.answers == [Refused(1, "full", None, None, 2, wanted=3, left=2)]
        assert list(found.expired) == [Expired(first, "a")]
        assert await added(store, most_two, now=10) == [first + 2]
        assert shown(store) == await counted(store, 10)

    async def test_one_that_a_row_makes_expire_has_its_key_for_the_rows_behind_it(self, store: Store) -> None:
        (first,) = await added(store, Candidate(new(**UNIQUE)))
        over = expiring(2, on_conflict="replace", **UNIQUE)
        answer, later = (await applied(store, Admit((over, over)), Admit((over,)), now=5)).answers
        assert [(job.id, job.is_new) for job in (*answer, *later)] == [
            (first, False),
            (first, False),
            (first + 1, True),
        ]
        assert shown(store) == await counted(store, 5)


class MovedExpiries:
    async def test_a_job_that_is_due_later_expires_later(self, store: Store) -> None:
        later, sooner = await added(store, expiring(10, due=60), expiring(10, due=60))
        await applied(store, Reschedule(later, at(100)), Reschedule(sooner, at(1)))
        assert await store.ask(GetExpiry(later)) == at(110)
        assert await store.ask(GetExpiry(sooner)) == at(70)

    async def test_a_redriven_job_expires_no_more(self, store: Store) -> None:
        first, second, third = await added(store, expiring(), expiring(), expiring(99, due=50))
        found = await applied(store, claim(limit=0), now=10)
        assert [one.id for one in found.expired] == [first, second]
        await one(store, RedriveJob(first), now=11)
        (job,) = await claimed(store, now=12)
        await one(store, close(job), now=12)
        await one(store, RedriveDead((job.id, third)), now=13)
        assert [await store.ask(GetExpiry(job_id)) for job_id in (first, second)] == [None, None]
        assert {found.id for found in await claimed(store, now=98)} == {first, third}
        assert await store.ask(GetExpiry(third)) == at(149)

    async def test_one_that_a_clock_ahead_wrote_is_moved_back(self, store: Store) -> None:
        hour = 3600
        row = new(due=hour)._replace(created_at=at(hour))
        (first,) = await added(store, Candidate(row, expires=10 * SECOND), now=hour)
        await one(store, MoveBack((first,)))
        assert await store.ask(GetExpiry(first)) == at(10)
        found = await applied(store, claim(), now=10)
        assert list(found.expired) == [Expired(first, "a")]

    async def test_a_job_that_is_gone_leaves_nothing(self, store: Store) -> None:
        first, second = await added(store, expiring(), expiring())
        await one(store, DeleteJob(first))
        (job,) = await claimed(store)
        await one(store, complete(job))
        await one(store, Prune(at(99), 0, 0, 9), now=99)
        assert [await store.ask(GetExpiry(job_id)) for job_id in (first, second)] == [None, None]
        found = await applied(store, claim(), now=99)
        assert (list(found.expired), found.expires_at) == ([], None)

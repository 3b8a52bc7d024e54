"""`Admit`: jobs with a unique key, with the key of a window, and with an idempotency key."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import MOST_SKEW_US, Admit, Candidate, Refused
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.unique import UniqueScope
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, Inserted, RedriveDead, RedriveJob, Redriven
from aiojobs_lite.stores.base import Store
from tests.helpers import stores
from tests.helpers.steps import done, event, save, send, suspend, wait
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    everything,
    micros,
    new,
    one,
    shown,
    stored,
)

SECOND = 1_000_000


def keyed(key: str = "[1]", scope: str = "unfinished", payload: str = '{"x": 1}', **fields: Any) -> Candidate:
    """A candidate with a unique key."""
    conditions = {name: fields.pop(name) for name in ("on_conflict", "max_wait") if name in fields}
    row = new(fields.pop("job_type", "a"), unique_key=key, unique_scope=scope, **fields)
    return Candidate(row._replace(payload=payload), **conditions)


def windowed(key: str = "[1]", seconds: float = 60, now: float = 0, **conditions: Any) -> Candidate:
    """A candidate with the key of a window of so many seconds, enqueued at an instant."""
    row = new(due=now)._replace(created_at=at(now))
    return Candidate(row, window_key=key, window=round(seconds * SECOND), **conditions)


async def admitted(store: Store, *candidates: Candidate, now: float = 0) -> list[tuple[int, bool]]:
    """Admits jobs; returns id and whether it is new of each."""
    answer = await one(store, Admit(candidates), now)
    assert not isinstance(answer, Refused)
    return [(inserted.id, inserted.is_new) for inserted in answer]


async def key_is_free(store: Store, scope: str = "unfinished", now: float = 0) -> bool:
    """Whether a job with the key would be added; none is."""
    before = await everything(store)
    row = new(max_attempts=5, unique_key="[1]", unique_scope=scope)
    answer = await one(store, Admit((Candidate(row, "raise"),)), now)
    if isinstance(answer, Refused):
        assert await everything(store) == before
        return False
    await one(store, DeleteJob(answer[0].id), now)
    return True


class UniqueKeys:
    async def test_a_job_has_its_key_and_its_scope(self, store: Store) -> None:
        ((job_id, is_new),) = await admitted(store, keyed(scope="pending"))
        job = await stored(store, job_id)
        assert is_new
        assert (job.unique_key, job.unique_scope) == ("[1]", UniqueScope.PENDING)
        assert shown(store) == await counted(store)

    async def test_of_the_jobs_with_one_key_there_is_one(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed())
        assert await admitted(store, keyed(payload="{}"), keyed("[2]"), keyed("[2]")) == [
            (first, False), (first + 1, True), (first + 1, False),
        ]  # fmt: skip
        assert (await stored(store, first)).payload == {"x": 1}
        assert shown(store) == await counted(store)

    async def test_a_key_is_unique_for_its_type_only(self, store: Store) -> None:
        found = await admitted(store, keyed(job_type="a"), keyed(job_type="b"))
        assert [is_new for _, is_new in found] == [True, True]

    async def test_rows_of_one_transaction_see_each_other(self, store: Store) -> None:
        row = Admit((keyed(),))
        (first,), (second,), answer = await answers(store, row, row, claim())
        assert (first.is_new, second) == (True, Inserted(first.id, is_new=False))
        assert [job.id for job in answer.jobs] == [first.id]
        assert shown(store) == await counted(store)

    async def test_an_unfinished_job_has_its_key_until_its_end(self, store: Store) -> None:
        await admitted(store, keyed())
        assert not await key_is_free(store)
        (job,) = await claimed(store)
        assert not await key_is_free(store)
        await one(store, again(job))
        assert not await key_is_free(store)
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await key_is_free(store)

    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    async def test_so_do_those_that_fail_for_good(self, store: Store, status: Status) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, close(job, status))
        assert await key_is_free(store)

    @pytest.mark.parametrize("scope", list(UniqueScope))
    async def test_a_cancelled_or_deleted_job_lets_its_key_go(self, store: Store, scope: UniqueScope) -> None:
        ((first, _),) = await admitted(store, keyed(scope=scope.value))
        await one(store, CancelJob(first, None))
        ((second, is_new),) = await admitted(store, keyed(scope=scope.value))
        assert is_new
        await one(store, DeleteJob(second))
        assert await key_is_free(store, scope.value)

    async def test_a_pending_job_has_its_key_until_its_first_attempt_begins(self, store: Store) -> None:
        await admitted(store, keyed(scope="pending"))
        assert not await key_is_free(store, "pending")
        (job,) = await claimed(store)
        ((second, is_new),) = await admitted(store, keyed(scope="pending"))
        assert is_new
        assert await one(store, again(job, Outcome.FAILED)) is Status.PENDING  # beside its successor
        assert await admitted(store, keyed(scope="pending")) == [(second, False)]
        assert {found.id for found in await claimed(store)} == {job.id, second}
        assert shown(store) == await counted(store)

    async def test_a_held_job_has_its_key(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, stores.hold(job))
        assert not await key_is_free(store)

    async def test_a_conflict_that_is_refused_adds_no_job_of_the_write(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed())
        before = await everything(store)
        rows = (Candidate(new()), keyed("[2]"), keyed(on_conflict="raise"))
        refused, (other,) = await answers(store, Admit(rows), Insert((new("b"),)))
        assert refused == Refused(2, "unique", first, Status.PENDING)
        assert (await everything(store))[:-1] == before
        assert other.is_new
        assert shown(store) == await counted(store)

    async def test_a_conflict_within_a_write_has_no_job_yet(self, store: Store) -> None:
        refused = await one(store, Admit((keyed(), keyed(on_conflict="raise"))))
        assert refused == Refused(1, "unique", None, None)
        assert await everything(store) == []

    async def test_a_job_without_conditions_is_added(self, store: Store) -> None:
        assert [is_new for _, is_new in await admitted(store, Candidate(new()), Candidate(new("b")))] == [True] * 2
        assert await admitted(store) == []


class ReplacingPayloads:
    async def test_a_pending_job_gets_payload_and_time(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed(due=9))
        wanted = keyed(payload='{"x": 2}', due=3, on_conflict="replace")
        assert await admitted(store, wanted) == [(first, False)]
        job = await stored(store, first)
        assert (job.payload, micros(job.scheduled_at), micros(job.created_at)) == ({"x": 2}, at(3), at(0))
        assert shown(store) == await counted(store)
        assert await claimed(store, now=2) == []
        assert [job.payload for job in await claimed(store, now=3)] == ['{"x": 2}']
        assert shown(store) == await counted(store, 3)

    async def test_it_may_be_due_later_than_before(self, store: Store) -> None:
        await admitted(store, keyed())
        await admitted(store, keyed(due=9, on_conflict="replace"))
        assert shown(store)["a"].scheduled == 1
        assert await claimed(store, now=8) == []
        assert len(await claimed(store, now=9)) == 1

    async def test_within_one_write_the_last_one_counts(self, store: Store) -> None:
        rows = [keyed(payload=f'{{"x": {n}}}', due=n, on_conflict="replace") for n in range(3)]
        ((first, is_new), *others) = await admitted(store, *rows)
        assert is_new
        assert others == [(first, False)] * 2
        job = await stored(store, first)
        assert (job.payload, micros(job.scheduled_at)) == ({"x": 2}, at(2))
        assert await admitted(store, *rows[:2]) == [(first, False)] * 2
        assert (await stored(store, first)).payload == {"x": 1}
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("is_suspended", [False, True])
    async def test_a_job_that_has_operations_is_left_as_it_is(self, store: Store, is_suspended: bool) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await answers(store, save(job, done("a"), wait("w")), suspend(job, "w") if is_suspended else again(job))
        before = await everything(store)
        refused = Refused(0, "unique", job.id, Status.PENDING)
        assert await one(store, Admit((keyed(payload="{}", on_conflict="replace"),))) == refused
        assert await everything(store) == before
        await one(store, send(event()))
        await claimed(store)

    async def test_a_retry_that_waits_is_replaced_as_well(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, again(job, scheduled_at=at(60)))
        await admitted(store, keyed(payload="{}", due=2, on_conflict="replace"))
        assert shown(store) == await counted(store)
        assert [(found.attempt, found.payload) for found in await claimed(store, now=2)] == [(2, "{}")]

    async def test_a_held_one_stays_held(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, stores.hold(job))
        await admitted(store, keyed(payload="{}", due=-1, on_conflict="replace"))
        found = await stored(store, job.id)
        assert (found.payload, found.held) == ({}, "payload")
        assert shown(store) == await counted(store)
        assert await claimed(store) == []

    async def test_a_held_one_is_not_scheduled(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, stores.hold(job))
        await admitted(store, keyed(due=5, on_conflict="replace"), keyed(due=6, on_conflict="replace"), now=1)
        assert micros((await stored(store, job.id)).scheduled_at) == at(1)
        await one(store, CancelJob(job.id, None), now=9)
        assert shown(store) == await counted(store, 9)

    async def test_a_processing_one_is_never_changed(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        before = await stored(store, job.id)
        refused = await one(store, Admit((keyed(payload="{}", on_conflict="replace"),)))
        assert refused == Refused(0, "unique", job.id, Status.PROCESSING)
        assert await stored(store, job.id) == before

    async def test_the_latest_time_counts_from_the_first_enqueue(self, store: Store) -> None:
        wanted = keyed(due=5, on_conflict="replace", max_wait=12 * SECOND)
        ((first, _),) = await admitted(store, wanted)
        for due, expected in ((9, 9), (11, 11), (15, 12), (99, 12)):
            later = wanted._replace(row=wanted.row._replace(scheduled_at=at(due), created_at=at(due - 5)))
            assert await admitted(store, later, now=due - 5) == [(first, False)]
            assert micros((await stored(store, first)).scheduled_at) == at(expected)

    async def test_nor_does_a_clock_that_is_set_back_put_it_off_for_ever(self, store: Store) -> None:
        def wanted(now: float) -> Candidate:
            found = keyed(due=now + 5, on_conflict="replace", max_wait=12 * SECOND)
            return found._replace(row=found.row._replace(created_at=at(now)))

        ((first, _),) = await admitted(store, wanted(3600), now=3600)
        for now, expected in ((0, 5), (3, 5), (4.9, 5)):
            assert await admitted(store, wanted(now), wanted(now), now=now) == [(first, False)] * 2
            assert micros((await stored(store, first)).scheduled_at) == at(expected)
        assert [job.id for job in await claimed(store, now=5)] == [first]

    async def test_a_clock_that_is_a_little_ahead_is_believed(self, store: Store) -> None:
        ahead = MOST_SKEW_US / SECOND
        wanted = keyed(on_conflict="replace", max_wait=12 * SECOND)
        wanted = wanted._replace(row=wanted.row._replace(created_at=at(ahead)))
        ((first, _),) = await admitted(store, wanted, now=ahead)
        await admitted(store, wanted._replace(row=wanted.row._replace(scheduled_at=at(99))))
        assert micros((await stored(store, first)).scheduled_at) == at(ahead + 12)


class WindowKeys:
    async def test_a_key_is_taken_until_its_window_is_over(self, store: Store) -> None:
        ((first, _),) = await admitted(store, windowed())
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await admitted(store, windowed(now=59.9), now=59.9) == [(first, False)]
        ((second, is_new),) = await admitted(store, windowed(now=60), now=60)
        assert is_new
        assert await admitted(store, windowed(now=61), now=61) == [(second, False)]

    async def test_it_is_taken_although_its_job_is_gone(self, store: Store) -> None:
        ((first, _),) = await admitted(store, windowed())
        await one(store, DeleteJob(first))
        assert await admitted(store, windowed(), now=1) == [(first, False)]
        assert await one(store, Admit((windowed(on_conflict="raise"),))) == Refused(0, "unique", first, None)
        assert await one(store, Admit((windowed(on_conflict="replace"),))) == Refused(0, "unique", first, None)

    async def test_a_refused_write_takes_no_key(self, store: Store) -> None:
        await admitted(store, windowed())
        rows = (windowed("[2]"), windowed(on_conflict="raise"))
        assert isinstance(await one(store, Admit(rows)), Refused)
        assert [is_new for _, is_new in await admitted(store, windowed("[2]"))] == [True]

    async def test_rows_of_one_write_see_each_other(self, store: Store) -> None:
        ((first, _), second) = await admitted(store, windowed(), windowed())
        assert second == (first, False)

    async def test_a_window_of_a_clock_that_was_ahead_does_not_count(self, store: Store) -> None:
        ahead = MOST_SKEW_US / SECOND
        await admitted(store, windowed(now=ahead), now=ahead)
        assert [is_new for _, is_new in await admitted(store, windowed(), now=0)] == [False]
        await admitted(store, windowed("[2]", now=ahead + 1), now=ahead + 1)
        assert [is_new for _, is_new in await admitted(store, windowed("[2]"), now=0)] == [True]

    async def test_of_two_lengths_the_shorter_one_counts(self, store: Store) -> None:
        ((first, _), *others) = await admitted(store, windowed(seconds=60), windowed(seconds=10))
        assert others == [(first, False)]
        assert await admitted(store, windowed(seconds=10, now=9), now=9) == [(first, False)]
        ((second, is_new),) = await admitted(store, windowed(seconds=10, now=10), now=10)
        assert is_new
        assert await admitted(store, windowed(seconds=60, now=19), now=19) == [(second, False)]
        assert (await admitted(store, windowed(seconds=60, now=20), now=20))[0][1]

    async def test_a_slack_takes_more_at_once_then_one_each_window(self, store: Store) -> None:
        """Of ten seconds each, with a slack of two: three at once, in one write or in several, then one each ten."""
        row = windowed(seconds=10, window_slack=20 * SECOND)
        assert [is_new for _, is_new in await admitted(store, row, row)] == [True, True]
        found = [(await admitted(store, row, now=now))[0][1] for now in (0, 1, 9.9, 10, 10, 19.9, 35, 35, 39.9, 40)]
        assert found == [True, False, False, True, False, False, True, True, False, True]

    async def test_what_a_slack_left_out_answers_with_the_latest_job(self, store: Store) -> None:
        row = windowed(seconds=10, window_slack=10 * SECOND)
        (_, (second, _), third) = await admitted(store, row, row, row)
        assert third == (second, False)
        assert await admitted(store, row, now=1) == [(second, False)]

    async def test_a_shorter_window_with_a_slack_frees_the_key_of_a_longer_one(self, store: Store) -> None:
        await admitted(store, windowed(seconds=60))
        short = windowed(seconds=10, window_slack=5 * SECOND)
        found = [(await admitted(store, short, now=now))[0][1] for now in (0, 9.9, 10, 19.9, 20)]
        assert found == [False, False, True, False, True]

    async def test_a_window_that_is_not_over_drops_a_row_before_its_unique_key_is_looked_at(self, store: Store) -> None:
        both = windowed()._replace(row=keyed().row, on_conflict="replace")
        ((first, _),) = await admitted(store, both)
        other = both._replace(row=both.row._replace(payload='{"x": 2}'))
        assert await admitted(store, other, other, now=59) == [(first, False)] * 2
        assert (await stored(store, first)).payload == {"x": 1}
        assert await admitted(store, other, now=60) == [(first, False)]
        assert (await stored(store, first)).payload == {"x": 2}
        assert await admitted(store, both, now=61) == [(first, False)], "no window began: no job was added"

    async def test_it_counts_from_the_transaction_however_long_ago_the_enqueue_was(self, store: Store) -> None:
        late = windowed(seconds=1)
        ((first, _), second) = await admitted(store, late, late, now=5)
        assert second == (first, False)
        assert await admitted(store, late, now=5) == [(first, False)]
        assert await admitted(store, late, windowed(seconds=1, now=5.9), now=5.9) == [(first, False)] * 2
        assert [is_new for _, is_new in await admitted(store, late, late, now=6)] == [True, False]

    async def test_windows_that_are_over_are_forgotten_two_for_one_that_begins(self, store: Store) -> None:
        await admitted(store, *(windowed(f"[{n}]", seconds=n) for n in (3, 1, 2)))
        assert [is_new for _, is_new in await admitted(store, windowed("[9]", now=10), now=10)] == [True]
        found = await admitted(store, *(windowed(f"[{n}]", seconds=60) for n in (3, 2)))  # the clock is set back
        assert [is_new for _, is_new in found] == [False, True]

    async def test_of_those_that_ended_together_the_first_by_type_and_key_are_forgotten(self, store: Store) -> None:
        def of(job_type: str, key: int, now: float = 0) -> Candidate:
            window = windowed(f"[{key}]", 2, now)
            return window._replace(row=window.row._replace(type=job_type))

        await admitted(store, of("b", 1), of("a", 3), of("a", 2))
        await admitted(store, windowed("[9]", now=10), now=10)
        found = await admitted(store, of("b", 1), of("a", 3), of("a", 2))  # the clock is set back
        assert [is_new for _, is_new in found] == [False, True, True]

    async def test_a_window_is_one_of_its_type(self, store: Store) -> None:
        other = windowed()._replace(row=new("b"))
        ((first, _), (second, is_new)) = await admitted(store, windowed(), other)
        assert is_new
        assert await admitted(store, other, windowed(), now=1) == [(second, False), (first, False)]

    async def test_many_windows_come_and_go(self, store: Store) -> None:
        for n in range(20):
            found = await admitted(store, *(windowed(f"[{n % 7},{k}]", 2, n) for k in range(9)), now=n)
            assert all(is_new for _, is_new in found)
        assert shown(store) == await counted(store, 20)


class RedrivenKeys:
    async def test_a_job_is_redriven_only_if_its_key_is_free(self, store: Store) -> None:
        await admitted(store, keyed())
        (job,) = await claimed(store)
        await one(store, close(job))
        ((second, _),) = await admitted(store, keyed())
        answer, number = await answers(store, RedriveJob(job.id), RedriveDead((job.id,)))
        assert (answer, bool(answer), number) == (Redriven(Status.DEAD, "[1]"), False, 0)
        assert (await stored(store, job.id)).status is Status.DEAD
        await one(store, CancelJob(second, None))
        assert await one(store, RedriveJob(job.id)) == Redriven(Status.DEAD)
        assert await one(store, RedriveJob(job.id)) == Redriven(Status.PENDING)
        assert await one(store, RedriveJob(second)) == Redriven(Status.CANCELLED, "[1]")
        assert not await key_is_free(store)
        assert shown(store) == await counted(store)

    async def test_of_several_dead_jobs_with_one_key_the_first_is_redriven(self, store: Store) -> None:
        ids = []
        for _ in range(3):
            await admitted(store, keyed())
            (job,) = await claimed(store)
            await one(store, close(job))
            ids.append(job.id)
        (other,) = await stores.running(store, new("b"))
        await one(store, close(other))
        assert await one(store, RedriveDead((*reversed(ids), other.id))) == 2
        statuses = [(await stored(store, job_id)).status for job_id in (*ids, other.id)]
        assert statuses == [Status.PENDING, Status.DEAD, Status.DEAD, Status.PENDING]
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("many", [False, True])
    async def test_one_with_a_key_until_its_first_attempt_is_redriven_without_it(
        self, store: Store, many: bool
    ) -> None:
        await admitted(store, keyed(scope="pending"))
        (job,) = await claimed(store)
        await one(store, close(job))
        ((second, _),) = await admitted(store, keyed(scope="pending"))
        assert await one(store, RedriveDead((job.id,)) if many else RedriveJob(job.id)) == (
            1 if many else Redriven(Status.DEAD)
        )
        assert (await stored(store, job.id)).unique_key is None
        assert await admitted(store, keyed(scope="pending")) == [(second, False)]

    async def test_one_that_never_began_is_redriven_without_it_too(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed(scope="pending"))
        await one(store, CancelJob(first, None))
        ((second, _),) = await admitted(store, keyed(scope="pending"))
        assert await one(store, RedriveJob(first)) == Redriven(Status.CANCELLED)
        assert (await stored(store, first)).unique_key is None
        assert await admitted(store, keyed(scope="pending")) == [(second, False)]
        assert shown(store) == await counted(store)


class IdempotencyKeys:
    async def test_the_first_job_answers_for_the_same_payload(self, store: Store) -> None:
        row = new(idempotency_key="k")
        ((first, _), again_) = await admitted(store, Candidate(row), Candidate(row))
        same = row._replace(payload='{ "x":1 }')  # as another release may write it
        assert again_ == (first, False)
        assert await admitted(store, Candidate(row), Candidate(same)) == [(first, False)] * 2

    async def test_another_payload_is_refused(self, store: Store) -> None:
        ((first, _),) = await admitted(store, Candidate(new(idempotency_key="k")))
        other = Candidate(new(idempotency_key="k")._replace(payload="{}"))
        refused, answer = await answers(store, Admit((Candidate(new()), other)), claim())
        assert refused == Refused(1, "key", first, Status.PENDING)
        assert [job.id for job in answer.jobs] == [first]
        fresh = [Candidate(new(idempotency_key="l")), Candidate(new(idempotency_key="l")._replace(payload="{}"))]
        assert await one(store, Admit(tuple(fresh))) == Refused(1, "key", None, None)
        assert len(await everything(store)) == 1

    async def test_a_key_that_made_no_job_is_free(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed())
        rows = keyed(idempotency_key="k"), keyed(idempotency_key="k", payload="{}")
        assert await admitted(store, *rows) == [(first, False)] * 2

    async def test_it_counts_before_the_unique_key(self, store: Store) -> None:
        ((first, _),) = await admitted(store, keyed(idempotency_key="k"))
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await admitted(store, keyed("[1]", idempotency_key="k", on_conflict="raise")) == [(first, False)]
        assert await key_is_free(store)


class Backpressure:
    async def test_no_more_jobs_of_a_type_are_pending_than_may_be(self, store: Store) -> None:
        rows = tuple(Candidate(new(due=due), max_pending=3) for due in (0, 0, 9))
        await admitted(store, *rows, Candidate(new("b"), max_pending=1))
        assert await one(store, Admit(rows[:1])) == Refused(0, "full", None, None, 3, wanted=1, left=1)
        (job,) = await claimed(store, claim(limit=1))
        assert await one(store, Admit(rows[:2])) == Refused(1, "full", None, None, 3, wanted=2, left=1)
        assert (await counted(store))["a"].pending == 2
        assert [is_new for _, is_new in await admitted(store, rows[0])] == [True]
        await one(store, again(job))  # it is pending all the same
        assert (await counted(store))["a"].pending == 4
        assert shown(store) == await counted(store)

    async def test_a_job_that_is_there_is_not_counted_again(self, store: Store) -> None:
        full = keyed()._replace(max_pending=1)
        ((first, _),) = await admitted(store, full)
        assert await admitted(store, full, full._replace(on_conflict="replace")) == [(first, False)] * 2

    async def test_others_may_be_added_without_a_bound(self, store: Store) -> None:
        await admitted(store, Candidate(new(), max_pending=1))
        assert [is_new for _, is_new in await admitted(store, Candidate(new()))] == [True]
        full = await one(store, Admit((Candidate(new(), max_pending=1),)))
        assert full == Refused(0, "full", None, None, 2, wanted=1, left=1)

    async def test_only_what_would_be_new_is_wanted(self, store: Store) -> None:
        first, second, third = (keyed(f"[{n}]")._replace(max_pending=2) for n in (1, 2, 3))
        once = Candidate(new(idempotency_key="k"), max_pending=2)
        await admitted(store, first)
        before = await everything(store)
        strict, plain = first._replace(on_conflict="raise"), Candidate(new("b"))
        rows = (first, second, plain, third, plain, third, first, strict, once, once, second, windowed(), windowed())
        assert await one(store, Admit(rows)) == Refused(3, "full", None, None, 2, wanted=4, left=3)
        assert await everything(store) == before
        assert isinstance(await one(store, Admit((strict, *rows))), Refused)
        assert await admitted(store, second, first, second) == [(2, True), (1, False), (2, False)]
        assert shown(store) == await counted(store)

    async def test_a_window_that_is_over_at_that_instant_makes_a_job_that_counts(self, store: Store) -> None:
        ((first, _),) = await admitted(store, windowed(seconds=5))
        rows = windowed(seconds=5, max_pending=1), Candidate(new(), max_pending=2)
        assert await one(store, Admit(rows), 5) == Refused(0, "full", None, None, 1, wanted=2, left=2)
        assert await admitted(store, *rows, now=4.9) == [(first, False), (first + 1, True)]


class SharedKeys:
    async def test_a_key_is_unique_over_all_owners(self, two: tuple[Store, Store]) -> None:
        first, second = two
        assert await admitted(first, keyed(), windowed()) == [(1, True), (2, True)]
        assert await admitted(second, keyed(), windowed()) == [(1, False), (2, False)]
        assert await admitted(second, keyed(payload="{}", due=4, on_conflict="replace")) == [(1, False)]
        assert [job.id for job in await claimed(first, now=3)] == [2]
        assert [(job.id, job.payload) for job in await claimed(first, now=4)] == [(1, "{}")]

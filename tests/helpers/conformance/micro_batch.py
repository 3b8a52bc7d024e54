"""`Admit` with `append`: jobs that gather the items of several enqueues."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.job import Job, NewJob, Outcome, Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.writes import CancelJob, RedriveJob, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    claimed,
    close,
    counted,
    everything,
    hold,
    micros,
    new,
    one,
    shown,
    stored,
)

SECOND = 1_000_000
WAIT = 60


def items(
    *values: object, key: str = "[1]", most: int = 3, size: int = 999, now: float = 0, **fields: Any
) -> Candidate:
    """Items that a job gathers; alone it is due in `WAIT` seconds."""
    conditions = {name: fields.pop(name) for name in ("max_pending", "expires") if name in fields}
    row = new("a", unique_key=key, unique_scope="pending", due=now + WAIT, **fields)
    text = ",".join(map(str, values))
    row = row._replace(payload=f'{{"x":[{text}]}}', created_at=at(now))
    return Candidate(row, "append", capacity=Capacity(most, size), **conditions)


async def admitted(store: Store, *candidates: Candidate, now: float = 0) -> list[tuple[int, bool]]:
    answer = await one(store, Admit(candidates), now)
    assert not isinstance(answer, Refused)
    assert shown(store) == await counted(store, now)
    return [(made.id, made.is_new) for made in answer]


async def payloads(store: Store) -> list[str]:
    return [job.payload_json for job in sorted(await everything(store), key=_id)]


def _id(job: Job) -> int:
    return job.id


class Gathering:
    async def test_items_with_one_key_become_one_job(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1))
        assert await admitted(store, items(2, now=9), items(8, key="[2]", now=9), now=9) == [(first, False), (2, True)]
        assert await payloads(store) == ['{"x":[1,2]}', '{"x":[8]}']
        job = await stored(store, first)
        assert (job.unique_key, micros(job.scheduled_at), micros(job.created_at)) == ("[1]", at(WAIT), at(0))
        assert await claimed(store, now=WAIT - 1) == []
        assert [one.id for one in await claimed(store, now=WAIT)] == [first]

    async def test_a_job_with_as_many_as_it_takes_is_due_and_the_next_one_begins_anew(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1, 2))
        assert await admitted(store, items(3, now=5), now=5) == [(first, False)]
        assert await admitted(store, items(4, now=6), now=6) == [(2, True)]
        assert await payloads(store) == ['{"x":[1,2,3]}', '{"x":[4]}']
        job = await stored(store, first)
        assert (job.unique_key, job.unique_scope, micros(job.scheduled_at)) == (None, None, at(5))
        assert [one.id for one in await claimed(store, now=6)] == [first]

    async def test_one_that_cannot_take_all_goes_without_them(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1, 2))
        assert await admitted(store, items(3, 4, now=5), now=5) == [(2, True)]
        assert await payloads(store) == ['{"x":[1,2]}', '{"x":[3,4]}']
        assert (await stored(store, first)).unique_key is None
        assert await admitted(store, items(5, now=6), now=6) == [(2, False)]
        assert [one.id for one in await claimed(store, now=6)] == [first, 2]

    async def test_one_that_would_be_too_large_goes_without_them(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items('"é"', size=15))
        assert await admitted(store, items('"é"', size=17)) == [(first, False)]
        assert await admitted(store, items(1, size=18)) == [(2, True)]
        assert await payloads(store) == ['{"x":["é","é"]}', '{"x":[1]}']

    async def test_a_new_one_with_as_many_is_due_at_once_and_leaves_no_other_waiting(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1))
        assert await admitted(store, items(2, 3, 4), items(5, 6, 7, 8)) == [(2, True), (3, True)]
        assert await payloads(store) == ['{"x":[1]}', '{"x":[2,3,4]}', '{"x":[5,6,7,8]}']
        assert sorted(one.id for one in await claimed(store)) == [first, 2, 3]

    async def test_many_rows_at_once_are_gathered_as_if_one_after_the_other(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(0))
        rows = [items(n) for n in range(1, 9)]
        assert await admitted(store, *rows, items(9, 9)) == [
            (first, False), (first, False), (2, True), (2, False), (2, False), (3, True), (3, False), (3, False),
            (4, True),
        ]  # fmt: skip
        assert await payloads(store) == ['{"x":[0,1,2]}', '{"x":[3,4,5]}', '{"x":[6,7,8]}', '{"x":[9,9]}']
        assert sorted(one.id for one in await claimed(store)) == [1, 2, 3]
        assert await admitted(store, items(1, 1), items(2)) == [(5, True), (5, False)]

    async def test_a_full_one_has_no_key_for_rows_of_another_kind_either(self, store: Store) -> None:
        plain = Candidate(items(9).row)
        assert await admitted(store, items(1, 2, 3), plain) == [(1, True), (2, True)]
        assert await admitted(store, items(1, 2, key="[2]")) == [(3, True)]
        other = Candidate(items(9, key="[2]").row)
        assert await admitted(store, items(3, key="[2]"), other, other) == [(3, False), (4, True), (4, False)]

    async def test_the_texts_of_items_and_their_version_stay_as_they_are(self, store: Store) -> None:
        first, second = items(), items()
        row = first.row._replace(payload='{"@version":2,"x":[1.0,{"y":"]}, [{"}]}')
        more = row._replace(payload='{"@version":2,"x":[1e2,[]]}')
        await admitted(store, first._replace(row=row, capacity=Capacity(9, 99)))
        await admitted(store, second._replace(row=more, capacity=Capacity(9, 99)))
        ((text,), (job,)) = (await payloads(store), await everything(store))
        assert job.payload == {"x": [1.0, {"y": "]}, [{"}, 100.0, []]}
        assert (job.version, text.endswith(",[]]}")) == (2, True)

    @pytest.mark.parametrize("payload", ['{"x":1}', "{}", '{"x":[1],"y":[2]}', '{"x":{"y":[1]}}'])
    async def test_a_payload_that_is_no_list_gathers_nothing(self, store: Store, payload: str) -> None:
        plain = Candidate(items().row._replace(payload=payload))
        ((first, _),) = await admitted(store, plain)
        assert await admitted(store, items(1), items(2)) == [(2, True), (2, False)]
        assert await payloads(store) == [payload, '{"x":[1,2]}']
        odd = items(3)._replace(row=plain.row)
        assert await admitted(store, odd, items(4)) == [(3, True), (4, True)]
        assert sorted(one.id for one in await claimed(store)) == [first, 2, 3]


class GatheringBesides:
    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SNOOZED, Outcome.INTERRUPTED])
    async def test_a_job_that_was_claimed_gets_no_more(self, store: Store, outcome: Outcome) -> None:
        await admitted(store, items(1))
        (job,) = await claimed(store, now=WAIT)
        assert await admitted(store, items(2, now=WAIT), now=WAIT) == [(2, True)]
        await one(store, again(job, outcome=outcome, scheduled_at=at(99)), WAIT)
        assert await admitted(store, items(3, now=WAIT), now=WAIT) == [(2, False)]
        assert await payloads(store) == ['{"x":[1]}', '{"x":[2,3]}']

    async def test_a_job_that_is_held_died_or_was_redriven_gets_no_more(self, store: Store) -> None:
        _, (second, _) = await admitted(store, items(1), items(2, key="[2]"))
        held, dead = await claimed(store, now=WAIT)
        await answers(store, hold(held), close(dead), now=WAIT)
        assert await one(store, RedriveJob(second), WAIT)
        later = items(3, now=WAIT), items(4, key="[2]", now=WAIT)
        assert await admitted(store, *later, now=WAIT) == [(3, True), (4, True)]

    async def test_one_that_was_cancelled_gets_no_more(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1))
        await one(store, CancelJob(first, None))
        assert await admitted(store, items(2)) == [(2, True)]

    async def test_a_row_that_would_be_too_many_jobs_changes_nothing(self, store: Store) -> None:
        await admitted(store, items(1, 2, max_pending=1))
        assert await admitted(store, items(max_pending=1)._replace(row=items(3, most=9).row)) == [(1, False)]
        await admitted(store, items(1, 2, key="[2]"))
        before = await everything(store)
        refused = await one(store, Admit((items(5, key="[2]"), items(3, 4, key="[2]", max_pending=2))))
        assert refused == Refused(1, "full", None, None, 2, wanted=1, left=1)
        assert await everything(store) == before

    async def test_what_the_job_has_besides_stays(self, store: Store) -> None:
        ((first, _),) = await admitted(store, items(1, metadata='{"a":1}', expires=5 * SECOND))
        await admitted(store, items(2, metadata='{"a":2}', priority=0, expires=9 * SECOND))
        third = items(3, metadata='{"a":3}')
        await admitted(store, third._replace(row=_laned(third.row, 7, is_ordered=False)))
        job = await stored(store, first)
        assert job.lane is None
        assert (job.metadata, job.priority, job.payload) == ({"a": 1}, "medium", {"x": [1, 2, 3]})
        assert await store.ask(GetExpiry(first)) == at(WAIT + 5)

    async def test_one_that_has_expired_gets_no_more(self, store: Store) -> None:
        await admitted(store, items(1, expires=5 * SECOND))
        late = WAIT + 5
        assert await admitted(store, items(2, now=late), now=late) == [(2, True)]
        assert (await stored(store, 1)).status is Status.CANCELLED

    async def test_a_job_that_was_put_off_is_due_when_it_has_as_many_as_it_takes(self, store: Store) -> None:
        await admitted(store, items(1))
        assert await one(store, Reschedule(1, at(999))) is not None
        await admitted(store, items(2, now=5), now=5)
        assert micros((await stored(store, 1)).scheduled_at) == at(999)
        await admitted(store, items(3, now=6), now=6)
        assert [one.id for one in await claimed(store, now=6)] == [1]

    @pytest.mark.parametrize("is_ordered", [False, True])
    async def test_one_in_a_lane_counts_once(self, store: Store, is_ordered: bool) -> None:
        await one(store, SetLimits((StoredLimit("one", 1),)))

        def of(key: int, *values: object) -> Candidate:
            made = items(*values, key=f"[{key}]")
            return made._replace(row=_laned(made.row, key, is_ordered=is_ordered))

        await admitted(store, of(7, 1), of(8, 2))
        assert await admitted(store, of(7, 3), of(7, 4), of(7, 5, 6, 7)) == [(1, False), (1, False), (3, True)]
        (first,) = await claimed(store)
        assert (first.id, first.payload) == (1, '{"x":[1,3,4]}')
        _, answer = await answers(store, close(first), claim())
        assert [one.payload for one in answer.jobs] == ['{"x":[5,6,7]}']
        assert [one.id for one in await claimed(store, now=WAIT)] == [2]
        assert shown(store) == await counted(store, WAIT)

    async def test_two_owners_gather_in_one_job(self, two: tuple[Store, Store]) -> None:
        first, second = two
        assert await one(first, Admit((items(1),))) == [(1, True)]
        assert await one(second, Admit((items(2),))) == [(1, False)]
        assert await one(first, Admit((items(3), items(4)))) == [(1, False), (2, True)]
        assert await one(second, Admit((items(5),))) == [(2, False)]
        assert [job.payload for job in await claimed(second)] == ['{"x":[1,2,3]}']


def _laned(row: NewJob, key: int, *, is_ordered: bool) -> NewJob:
    return row._replace(lane=lane_text("a", 1, [("one", key)], is_ordered=is_ordered))

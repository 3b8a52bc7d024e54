"""Edits of jobs."""

from __future__ import annotations

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.edits import Edited, EditJob, EditRow, ListEdits
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.limits import LimitedLane, StoredLimit, lane_text
from aiojobs_lite.model.writes import DeleteJob, RedriveJob
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    at,
    claimed,
    counted,
    finished,
    hold,
    inserted,
    micros,
    new,
    one,
    running,
    shown,
    stored,
)

OLD, NEW = '{"x": 1}', '{"x":2}'


def edit(job_id: int, lane: str | None = None, key: str | None = None, *, before: str = OLD) -> EditJob:
    return EditJob(job_id, before, NEW, lane, key)


class Editing:
    @pytest.mark.parametrize("status", [Status.PENDING, Status.DEAD])
    async def test_a_job_has_other_arguments_and_keeps_those_before(self, store: Store, status: Status) -> None:
        job_id = (
            (await inserted(store, new(due=5)))[0] if status == "pending" else await finished(store, new(), status, 1)
        )
        before = await stored(store, job_id)
        assert await one(store, edit(job_id), 2) == Edited(status)
        assert await one(store, EditJob(job_id, NEW, OLD, None, None), 3) == Edited(status)
        assert await one(store, edit(job_id), 4) == Edited(status)
        after = await stored(store, job_id)
        assert (after.payload_json, after.status, after.scheduled_at) == (NEW, status, before.scheduled_at)
        assert (after.completed_at, after.reason, after.history) == (before.completed_at, before.reason, before.history)
        kept = [EditRow(to_datetime(at(now)), payload) for now, payload in ((2, OLD), (3, NEW), (4, OLD))]
        assert await store.ask(ListEdits(job_id)) == kept
        assert shown(store) == await counted(store, 4)
        await one(store, DeleteJob(job_id))
        assert await store.ask(ListEdits(job_id)) == []

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELLED])
    async def test_a_job_that_has_ended_otherwise_stays_as_it_is(self, store: Store, status: Status) -> None:
        job_id = await finished(store, new(), status)
        assert await one(store, edit(job_id)) == Edited(status, "status")
        (job,) = await running(store, new())
        assert await one(store, edit(job.id)) == Edited(Status.PROCESSING, "status")
        assert await one(store, edit(999)) == Edited(None)
        assert await store.ask(ListEdits(job_id)) == await store.ask(ListEdits(999)) == []

    async def test_a_job_that_was_changed_meanwhile_stays_as_it_is(self, store: Store) -> None:
        (job_id,) = await inserted(store, new())
        assert await one(store, edit(job_id, before="{}")) == Edited(Status.PENDING, "changed")
        assert (await stored(store, job_id)).payload_json == OLD

    async def test_a_job_that_was_held_for_its_payload_is_claimed_again(self, store: Store) -> None:
        (job,) = await running(store, new(due=-5))
        await one(store, hold(job), 1)
        assert (await stored(store, job.id)).held is Held.PAYLOAD
        assert await one(store, edit(job.id), 2) == Edited(Status.PENDING)
        found = await stored(store, job.id)
        assert (found.held, found.reason, micros(found.scheduled_at) <= at(2)) == (None, None, True)
        assert shown(store) == await counted(store, 2)
        assert [again.payload for again in await claimed(store, now=2)] == [NEW]

    async def test_a_unique_job_has_the_key_of_its_arguments(self, store: Store) -> None:
        rows = [new(unique_key=f"[{n}]", unique_scope="unfinished") for n in range(3)]
        dead = await finished(store, rows[2], Status.DEAD)
        first, second = await inserted(store, *rows[:2])
        assert await one(store, edit(first, key="[1]")) == Edited(Status.PENDING, "key", "[1]")
        assert await one(store, edit(first, key="[0]")) == Edited(Status.PENDING)
        assert await one(store, edit(dead, key="[1]")) == Edited(Status.DEAD)
        assert (await one(store, RedriveJob(dead))).taken_key == "[1]"
        assert await one(store, edit(second, key=None)) == Edited(Status.PENDING)
        found = await stored(store, second)
        assert (found.unique_key, found.unique_scope) == (None, None)
        assert await one(store, RedriveJob(dead))

    async def test_a_limit_counts_a_job_by_its_arguments(self, store: Store) -> None:
        one_each = (StoredLimit("org", 1),)
        lanes = [LimitedLane(lane_text("a", 1, [("org", n)], is_ordered=False), one_each) for n in (1, 2)]
        first, second = await inserted(store, new(lane=lanes[0]), new(lane=lanes[0]))
        assert [job.id for job in await claimed(store)] == [first]
        assert await one(store, edit(second, lanes[1])) == Edited(Status.PENDING)
        assert [(job.id, job.payload) for job in await claimed(store)] == [(second, NEW)]

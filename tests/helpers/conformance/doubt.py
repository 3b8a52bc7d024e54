"""A commit in doubt: the transaction was carried out, but its answer never came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.schedules import SetSchedule, TickAnswer
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    NOW,
    again,
    answers,
    at,
    claim,
    complete,
    counted,
    everything,
    fire,
    new,
    one,
    running,
    shown,
)

LoseAnswer = Callable[[Store], None]


class Doubting:
    async def test_a_commit_without_an_answer_may_be_repeated(self, store: Store, lose_answer: LoseAnswer) -> None:
        jobs = await running(store, new(), new())
        unit: Unit = (complete(jobs[0]), Insert((new("b"),)))
        units: list[Unit] = [unit, (again(jobs[1]),), (Insert((new("c", idempotency_key="k"),)),)]
        lose_answer(store)
        with pytest.raises(StoreUnavailable):
            await store.apply(units, NOW)
        ended, after, failed, (made,) = (await store.apply(units, NOW)).answers
        assert (ended, after, failed, made.is_new) == (None, None, None, False)
        assert [(job.type, job.status, len(job.history)) for job in await everything(store)] == [
            ("a", Status.COMPLETED, 0), ("a", Status.PENDING, 0), ("b", Status.PENDING, 0), ("c", Status.PENDING, 0)
        ]  # fmt: skip
        assert shown(store) == await counted(store)

    async def test_a_claim_without_an_answer_is_found_by_its_owner(self, store: Store, lose_answer: LoseAnswer) -> None:
        (made,) = await one(store, Insert((new(),)))
        lose_answer(store)
        with pytest.raises(StoreUnavailable):
            await one(store, claim("me"))
        assert (await one(store, claim("me"))).jobs == []
        (job,) = await everything(store)
        assert (job.id, job.status, job.owner, job.attempts) == (made.id, Status.PROCESSING, "me", 1)
        assert shown(store) == await counted(store)

    async def test_a_tick_without_an_answer_fired_once(self, store: Store, lose_answer: LoseAnswer) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        tick = fire("s", at(0), at(60), new(), skip_overlap=False)
        lose_answer(store)
        with pytest.raises(StoreUnavailable):
            await one(store, tick)
        assert await answers(store, tick) == [TickAnswer("duplicate")]
        assert len(await everything(store)) == 1

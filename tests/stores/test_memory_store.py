"""The store of plain Python under a runner, and what it can do to an owner that no file can."""

from __future__ import annotations

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.job import Outcome, Status
from tests.helpers.memory_store import MemoryDatabase, MemoryStore
from tests.helpers.stores import again, answers, claim, claimed, complete, inserted, new, one, running


@job(name="add")
async def add(a: int, b: int) -> int:
    return a + b


@pytest.mark.parametrize("has_inline", [True, False])
async def test_a_runner_works_on_it(has_inline: bool) -> None:
    store = MemoryStore(has_inline=has_inline)
    async with JobRunner(store, jobs=[add]) as runner:
        handles = [await runner.enqueue(add, n, 1) for n in range(20)]
        assert [await handle.result() for handle in handles] == list(range(1, 21))
        many = await runner.enqueue_many([add.bind(n, 2) for n in range(20)])
        assert [await handle.result() for handle in many] == list(range(2, 22))
        assert runner.stats().completed == 40
    assert store.counts().total.completed == 40
    assert store.database.living == {}


async def test_two_runners_share_one_database() -> None:
    database = MemoryDatabase()
    async with JobRunner(MemoryStore(database), jobs=[add], max_running=0) as first:
        async with JobRunner(MemoryStore(database), jobs=[add]):
            handle = await first.enqueue(add, 1, 2)
            assert await handle.result() == 3
        assert len(database.living) == 1


async def test_an_owner_that_was_killed_is_dead_and_its_attempts_may_be_ended() -> None:
    database = MemoryDatabase()
    mine, other = MemoryStore(database), MemoryStore(database)
    await mine.open()
    await other.open()
    notices: list[str] = []
    for store, owner in ((mine, "me"), (other, "other")):
        await store.owners.acquire(
            owner, lost=lambda: notices.append("lost"), regained=lambda: notices.append("regained")
        )
    (held,) = await running(other, new(), owner="other")
    assert await one(mine, again(held, Outcome.LOST)) is None  # it lives
    database.lose("other")
    await inserted(mine, new())
    with pytest.raises(StoreUnavailable):
        await claimed(other, claim("other"))
    assert await mine.owners.dead(["me", "other"]) == set()
    database.regain("other")
    assert len(await claimed(other, claim("other"))) == 1
    assert notices == ["lost", "regained"]
    database.kill("other")
    assert await mine.owners.dead(["me", "other"]) == {"other"}
    assert await answers(mine, again(held, Outcome.LOST)) == [Status.PENDING]
    assert await one(other, complete(held)) is None

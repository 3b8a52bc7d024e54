"""Many jobs moved at once: by ids, by a filter, by both; page by page, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Job, JobCancelled, JobRunner, Status, job
from aiojobs_lite.errors import InvalidOption, StoreUnavailable, UnknownJobType
from aiojobs_lite.model.queries import FindIds
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveAsNew, RedriveDead
from aiojobs_lite.runner import bulk as module
from aiojobs_lite.selection import JobSelection
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import DeadRedriven, JobBecameCancelled, JobEnqueued
from tests.helpers.fault_store import Fault, FaultStore
from tests.helpers.mail import dies, other, welcome
from tests.helpers.waiting import PATIENCE, next_fact

MANY = ("cancel_many", "delete_many", "redrive_many", "redrive_many_as_new")


async def listed(runner: JobRunner, **wanted: Any) -> list[int]:
    return [found.id for found in await runner.jobs.list(limit=1000, **wanted)]


async def dead(runner: JobRunner, count: int, **options: Any) -> list[int]:
    """The ids of jobs that have died."""
    handles = await runner.enqueue_many([dies.using(**options).bind(n) for n in range(count)])
    await runner.run_until_idle()
    return [handle.id for handle in handles]


def moved(answer: int | dict[int, int]) -> int:
    return answer if isinstance(answer, int) else len(answer)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FaultStore:
    """A store whose jobs are moved three at a time."""
    monkeypatch.setattr(module.Pages.__init__, "__defaults__", (3,))
    monkeypatch.setattr(module, "COPIED_AT_ONCE", 3)
    return FaultStore(open_store(":memory:", "normal"))


@pytest.fixture
def runner(store: FaultStore) -> JobRunner:
    return JobRunner(store, jobs=[dies, other, welcome])


@pytest.mark.parametrize("name", MANY)
async def test_an_empty_list_means_none_and_nothing_at_all_is_refused(runner: JobRunner, name: str) -> None:
    async with runner:
        await dead(runner, 2)
        waiting = await runner.enqueue(other.using(delay="1h"))
        before = await runner.jobs.list()
        many: Callable[..., Any] = getattr(runner.jobs, name)
        assert moved(await many([])) == moved(await many([], type="dies")) == moved(await many([999])) == 0
        nothing: list[dict[str, Any]] = [{}, {"ids": None}, {"limit": 5}, {"metadata": None}]
        for wrong in nothing:
            with pytest.raises(InvalidOption, match="the ids of jobs, or a filter, such as type= or metadata="):
                await many(**wrong)
        for wrong in ({"ids": ["1"]}, {"ids": 5}, {"ids": "12"}, {"type": "dies", "limit": 0}, {"kind": "dies"}):
            with pytest.raises(InvalidOption):
                await many(**wrong)
        with pytest.raises(UnknownJobType):
            await many(type="nonsense")
        assert await runner.jobs.list() == before
        assert (await waiting.job()).status is Status.PENDING


async def test_pending_jobs_are_cancelled_by_filter_page_by_page(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        facts = runner.watch()
        rows = [other.using(delay="1h", metadata={"host": "ab"[n % 2]}).bind() for n in range(20)]
        handles = await runner.enqueue_many(rows)
        finished = await dead(runner, 2, metadata={"host": "a"})
        assert await runner.jobs.cancel_many(metadata={"host": "a"}, limit=4, reason="enough") == 4
        assert await listed(runner, status="cancelled") == [handle.id for handle in handles[18:11:-2]]
        assert (await next_fact(facts, JobBecameCancelled)).reason == "enough"
        with pytest.raises(JobCancelled):
            await handles[18].result()
        waiting = asyncio.create_task(handles[0].result())
        assert await runner.jobs.cancel_many(metadata={"host": "a"}) == 6
        with pytest.raises(JobCancelled):
            await waiting
        assert await runner.jobs.cancel_many(metadata={"host": "a"}) == 0
        assert len(await listed(runner, status="pending")) == 10
        assert await listed(runner, status="dead") == finished[::-1]
        assert max(len(saved) for saved in store.saved if any(isinstance(one, CancelJob) for one in saved)) <= 3


async def test_a_processing_job_is_asked_to_stop_and_counts() -> None:
    begun = asyncio.Event()

    @job
    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=[endless, other]) as runner:
        handle = await runner.enqueue(endless)
        await begun.wait()
        later = await runner.enqueue(other.using(delay="1h"))
        assert await runner.jobs.cancel_many([handle.id, later.id, handle.id, 999]) == 2
        with pytest.raises(JobCancelled):
            await handle.result()


async def test_jobs_are_deleted_but_for_those_that_run(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        ids = await dead(runner, 5)
        pending = await runner.enqueue(other.using(delay="1h"))
        assert await runner.jobs.delete_many(ids[:2], status="cancelled") == 0
        assert await runner.jobs.delete_many(status="dead", limit=4) == 4
        assert await listed(runner) == [pending.id, ids[0]]
        assert await runner.jobs.delete_many([pending.id, ids[0], ids[1]]) == 2
        assert await listed(runner) == []
        assert await runner.jobs.delete_many(status="processing") == 0
        assert max(len(saved) for saved in store.saved if any(isinstance(one, DeleteJob) for one in saved)) <= 3


async def test_a_job_that_is_redriven_meanwhile_is_not_deleted(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        ids = await dead(runner, 1)
        store.gate.clear()
        deleting = asyncio.create_task(runner.jobs.delete_many(status="dead"))
        redriving = asyncio.create_task(runner.jobs.redrive(ids[0]))
        await asyncio.sleep(0)
        store.gate.set()
        await redriving
        assert await deleting in {0, 1}
        assert len(await listed(runner)) == 1 - deleting.result()


async def test_dead_jobs_are_redriven_by_filter(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        ids = await dead(runner, 7, metadata={"host": "a"})
        await dead(runner, 2)
        facts = runner.watch()
        await runner.types.pause("dies")
        assert await runner.jobs.redrive_many(metadata={"host": ["a", "c"]}, limit=5) == 5
        assert (await next_fact(facts, DeadRedriven)).jobs == 5
        assert await runner.jobs.redrive_many(ids) == 2
        assert await listed(runner, status="pending") == ids[::-1]
        assert max(len(one.ids) for saved in store.saved for one in saved if isinstance(one, RedriveDead)) <= 3


@pytest.mark.parametrize("by", ["ids", "reason"])
async def test_a_cancel_of_many_jobs_is_undone(runner: JobRunner, by: str) -> None:
    async with runner:
        handles = await runner.enqueue_many([other.using(delay="1h", label="eu").bind() for _ in range(7)])
        ids = [handle.id for handle in handles]
        earlier = await runner.enqueue(other.using(delay="1h"))
        await earlier.cancel()
        meant = JobSelection(label="eu")
        assert str(await runner.jobs.count(meant)) == "7"
        assert await runner.jobs.cancel_many(meant, reason="Wrong price, 3 May") == 7
        assert await runner.jobs.redrive_many(meant) == 0
        undone = JobSelection(ids=ids) if by == "ids" else JobSelection(reason="wrong PRICE")
        assert await runner.jobs.redrive_many(undone, status="cancelled") == 7
        pending = await runner.jobs.list(status="pending", order="oldest")
        assert [(found.id, found.scheduled_at - found.created_at) for found in pending] == [
            (job_id, timedelta(hours=1)) for job_id in ids
        ]
        assert await listed(runner, status="cancelled") == [earlier.id]


async def test_jobs_of_a_type_that_no_program_registers_are_moved(tmp_path: Path) -> None:
    async with JobRunner(tmp_path / "jobs.db", jobs=[other], max_running=0) as runner:
        await runner.enqueue_many([other.using(delay="1h").bind() for _ in range(4)])
    async with JobRunner(tmp_path / "jobs.db", max_running=0) as runner:
        gone = JobSelection(type="other", payload={}, order="oldest")
        (first, *_) = await runner.jobs.list(gone)
        assert (await runner.jobs.count(gone)).count == 4
        assert await runner.jobs.cancel_many(gone, limit=1) == 1
        assert await listed(runner, status="cancelled") == [first.id]
        assert await runner.jobs.redrive_many(gone, status="cancelled") == 1
        assert await runner.jobs.delete_many(gone) == 4


async def test_dead_jobs_are_redriven_as_new_ones(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        ids = await dead(runner, 4, metadata={"host": "a"}, label="eu")
        gone = await runner.enqueue(other.using(delay="1h", metadata={"host": "a"}))
        await gone.cancel()
        await runner.types.pause("dies")
        await runner.types.pause("other")
        facts = runner.watch()
        old = {found.id: found for found in await runner.jobs.list(metadata={"host": "a"})}
        made = await runner.jobs.redrive_many_as_new(metadata={"host": "a"})
        assert made.keys() == {*ids, gone.id}
        assert (await next_fact(facts, JobEnqueued)).job_id in made.values()
        assert sorted(await listed(runner)) == sorted(made.values())
        for before, now in made.items():
            found = await runner.jobs.get(now)
            assert kept(found) == kept(old[before])
            assert (found.status, found.attempts, found.history, found.error) == (Status.PENDING, 0, (), None)
        assert max(len(saved) for saved in store.saved if any(isinstance(one, RedriveAsNew) for one in saved)) <= 3
        assert await runner.jobs.redrive_many_as_new([*made.values()]) == {}


def kept(found: Job) -> tuple[Any, ...]:
    return found.type, found.payload, found.priority, found.max_attempts, found.label, found.metadata


async def test_a_fault_leaves_whole_transactions(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        ids = await dead(runner, 7)
        facts = runner.watch()
        await runner.types.pause("dies")
        store.faults.append(Fault(method="ask", at=2, when=lambda query: isinstance(query, FindIds)))
        with pytest.raises(StoreUnavailable):
            await runner.jobs.redrive_many(status="dead")
        assert (await next_fact(facts, DeadRedriven)).jobs == 3
        assert await listed(runner, status="pending") == ids[:3:-1]

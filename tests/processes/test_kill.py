"""SIGKILL, SIGSTOP and blocked event loops: nothing is lost, nothing runs twice, no living owner is robbed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from aiojobs_lite import JobRunner, JobType, Outcome, Status
from aiojobs_lite.clock import to_micros
from aiojobs_lite.telemetry.facts import AttemptStarted, OwnerRescued
from tests.helpers.apps.worker import (
    JOBS,
    held,
    kills_its_process,
    kills_its_process_behind_a_step,
    kills_its_process_once,
    quick,
)
from tests.helpers.machine import promised
from tests.helpers.programs import looking, rescue, worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact


async def test_a_job_whose_process_was_killed_runs_again_within_a_second_and_no_other_is_touched(
    database: Path,
) -> None:
    async with looking(database) as runner:
        killed = await runner.enqueue(held)
        done = await runner.enqueue(quick)
        later = await runner.enqueue(quick.using(delay="1h"))
        async with worker(database) as child:
            await child.line("started")
            await done.result(PATIENCE)
            assert await child.kill() == -SIGKILL
        before = {job.id: job for job in await runner.jobs.list()}
    entering = time.time()
    async with JobRunner(database, jobs=JOBS) as second:
        await second.run_until_idle()
        job = await second.jobs.get(killed.id)
        assert (job.status, job.attempts, job.crashes) == (Status.COMPLETED, 2, 1)
        assert [(one.attempt, one.outcome) for one in job.history] == [(1, Outcome.LOST)]
        assert job.started_at is not None
        assert to_micros(job.started_at) / 1e6 - entering < 1
        assert await second.jobs.get(done.id) == before[done.id]
        assert await second.jobs.get(later.id) == before[later.id]


@slow
async def test_a_living_runner_rescues_within_three_seconds(database: Path) -> None:
    async with worker(database) as child:
        await child.line("ready")
        async with JobRunner(database, jobs=JOBS, max_running=0) as enqueuer:
            handle = await enqueuer.enqueue(held)
            assert await child.line("started") == ["started", str(handle.id), "1"]
        async with JobRunner(database, jobs=JOBS) as living:
            events, others = living.watch(), living.watch()  # which of the two comes first is open
            with promised(3):
                await child.kill()
                assert (await next_fact(events, OwnerRescued)).jobs == 1
                assert (await next_fact(others, AttemptStarted)).attempt == 2
            await living.run_until_idle()
            assert (await living.jobs.get(handle.id)).status is Status.COMPLETED


@slow
async def test_a_job_that_kills_its_process_three_times_is_dead(database: Path) -> None:
    async with looking(database) as runner:
        job_id = (await runner.enqueue_named("kills_its_process")).id
    for attempt in (1, 2, 3):
        async with worker(database) as child:
            assert await child.line("started") == ["started", str(job_id), str(attempt)]
            assert await child.ended() == -SIGKILL
    async with worker(database) as child, looking(database) as runner:
        await child.line("ready")
        job = await runner.jobs.get(job_id)
        assert (job.status, job.attempts, job.crashes, job.reason) == (Status.DEAD, 3, 3, "crashed")
        assert [one.outcome for one in job.history] == [Outcome.LOST] * 3
        assert await (await runner.enqueue(quick)).result(PATIENCE) == child.pid  # and the process lives
        assert not child.said("started")


@slow
@pytest.mark.parametrize("job_type", [kills_its_process, kills_its_process_once, kills_its_process_behind_a_step])
async def test_it_is_dead_although_a_runner_rescued_it_that_does_not_know_its_type(
    database: Path, job_type: JobType[[], None]
) -> None:
    deaths = min(3, job_type.max_attempts)
    async with looking(database) as runner:
        job_id = (await runner.enqueue(job_type)).id
    async with JobRunner(database, max_running=0) as strange:
        for attempt in range(1, deaths + 1):
            async with worker(database) as child:
                assert await child.line("started") == ["started", str(job_id), str(attempt)]
                assert await child.ended() == -SIGKILL
            await rescue(strange)
            assert (await strange.jobs.get(job_id)).status is Status.PENDING
        async with worker(database) as child:
            await child.line("ready")
            async with asyncio.timeout(PATIENCE):
                await strange.jobs.wait(job_id)
            assert not child.said("started")
        job = await strange.jobs.get(job_id)
        assert (job.status, job.attempts, job.crashes) == (Status.DEAD, deaths, deaths)
        assert [one.outcome for one in job.history] == [Outcome.LOST] * deaths + [Outcome.FAILED]


@slow
async def test_a_stopped_process_keeps_its_job_and_finishes_it(database: Path) -> None:
    async with looking(database) as other, worker(database) as child:
        handle = await other.enqueue(held)
        await child.line("started")
        child.signal(SIGSTOP)
        await rescue(other)
        assert (await handle.job()).status is Status.PROCESSING
        child.signal(SIGCONT)
        child.order("go")
        assert await handle.result(PATIENCE) == child.pid
        assert (await handle.job()).attempts == 1


@slow
async def test_a_stopped_process_that_was_taken_for_dead_cannot_overwrite_the_later_attempt(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    async with looking(database) as enqueuer, worker(database) as child:
        handle = await enqueuer.enqueue(held)
        assert await child.line("started") == ["started", str(handle.id), "1"]
        child.signal(SIGSTOP)
        stopped = (await handle.job()).owner
        (name,) = [name for name in owner_files() if name.endswith(f"-{stopped}")]
        (database.parent / name).unlink()  # all that shows that this owner lives
        async with JobRunner(database, jobs=JOBS) as living:  # its start rescues
            assert await handle.result(PATIENCE) == os.getpid()
            later = await living.jobs.get(handle.id)
            assert (later.status, later.attempts, later.crashes) == (Status.COMPLETED, 2, 1)
            child.signal(SIGCONT)
            child.order("go")
            await child.line(f"log refused: the end of held job {handle.id} attempt 1 ")
            assert child.said("ended") == [["ended", str(handle.id), "1"]]  # it returned, and a value of its own
            assert await living.jobs.get(handle.id) == later
        assert [(one.attempt, one.outcome, one.owner) for one in later.history] == [(1, Outcome.LOST, stopped)]
        child.order("leave")
        assert await child.ended() == 0


@slow
async def test_a_blocked_event_loop_is_not_a_dead_one(database: Path) -> None:
    async with looking(database) as other, worker(database) as child:
        handle = await other.enqueue_named("blocking")
        await child.line("started")
        await rescue(other)
        job = await handle.job()
        assert (job.status, job.attempts) == (Status.PROCESSING, 1)
        child.order("free")
        await child.line("ended")
        await handle.result(PATIENCE)
        assert (await handle.job()).attempts == 1
    assert len(child.said("started")) == 1


@slow
async def test_what_was_acknowledged_before_a_kill_is_there_once(database: Path) -> None:
    async with worker(database, max_running=0) as child:
        child.order("race k 100000")
        for _ in range(200):
            await child.line("enqueued")
        await child.kill()
    acknowledged = {key: int(job_id) for _, key, job_id, _ in child.said("enqueued")}
    assert len(acknowledged) >= 200
    async with looking(database) as runner:
        found: dict[str | None, int] = {}
        after = None
        while page := await runner.jobs.list(limit=1000, after=after):
            found |= {job.idempotency_key: job.id for job in page}
            after = page[-1].id
        assert acknowledged.items() <= found.items()
        assert len(found) - len(acknowledged) <= 1  # the one whose commit was not acknowledged
        assert runner.stats().pending == len(found)

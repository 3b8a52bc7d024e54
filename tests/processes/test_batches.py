"""Batches over several processes, which are killed: the callback comes once, after the last end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from signal import SIGKILL

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.runner.batches import BatchStats, BatchStatus
from tests.helpers.apps.worker import JOBS, brief, held, note_batch
from tests.helpers.pauses import pause
from tests.helpers.programs import looking, worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

JOBS_OF_BATCH = 600


async def complete(runner: JobRunner, batch_id: int) -> BatchStats:
    """The stats of a batch when it is complete."""
    batch = await runner.batches.get(batch_id)
    async with asyncio.timeout(PATIENCE):
        while not (stats := await batch.stats()).is_complete:
            await pause(0.02)
    return stats


@slow
async def test_the_callback_comes_once_although_processes_are_killed(database: Path) -> None:
    async with looking(database) as runner, worker(database, max_running=5) as survivor:
        async with runner.batches.open(on_complete=note_batch) as batch:
            for _ in range(3):
                async with worker(database, max_running=5) as child:
                    await child.line("ready")
                    await batch.enqueue_many([brief.bind() for _ in range(JOBS_OF_BATCH // 3)])
                    await child.line("brief")
                    assert await child.kill() == -SIGKILL
        assert (await complete(runner, batch.id)).completed == JOBS_OF_BATCH
        assert await survivor.line("batch") == ["batch", str(batch.id)]
        (callback,) = await runner.jobs.list(type="note_batch")
        assert callback.payload == {"batch_id": batch.id}
        survivor.order("leave")
        assert await survivor.ended() == 0
    assert survivor.said("batch") == [["batch", str(batch.id)]]


@slow
async def test_a_job_runs_once_after_one_whose_process_was_killed(database: Path) -> None:
    async with looking(database) as runner:
        first = await runner.enqueue(held)
        async with worker(database) as child:
            await child.line("started")
            later = await runner.enqueue(note_batch.using(after=[first]), 7)
            last = await runner.enqueue(note_batch.using(after=[first, later]), 8)
            await child.kill()
        async with worker(database) as survivor:
            await last.result(PATIENCE)
            survivor.order("leave")
            assert await survivor.ended() == 0
        assert survivor.said("batch") == [["batch", "7"], ["batch", "8"]]
        assert {job.attempts for job in [await later.job(), await last.job()]} == {1}


@slow
async def test_a_batch_whose_process_was_killed_in_its_block_is_abandoned(database: Path) -> None:
    async with worker(database) as child:
        child.order("batch 5")
        (_, batch_id) = await child.line("opened")
        await child.kill()
    async with JobRunner(database, jobs=JOBS) as runner:
        stats = await complete(runner, int(batch_id))
        assert (stats.status, stats.is_abandoned, stats.completed) == (BatchStatus.SUCCEEDED, True, 5)
        await runner.run_until_idle()
        assert await runner.jobs.list(type="note_batch") == []
        assert {job.status for job in await runner.jobs.list(batch=int(batch_id))} == {Status.COMPLETED}

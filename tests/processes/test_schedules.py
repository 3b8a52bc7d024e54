"""Schedules that are made at run time, over processes that are killed: one job a tick, and none is left out."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGKILL

from aiojobs_lite import Job, JobClient, JobRunner, Status
from tests.helpers.apps.worker import quick
from tests.helpers.pauses import let_fault_last, pause
from tests.helpers.programs import Child, looking, worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

EACH_SECOND = "* * * * * *"
KILLS = 8


def put(database: Path, name: str) -> None:
    """Makes a schedule, without an event loop."""
    with JobClient(database, jobs=[quick]) as client:
        client.schedules.put(name, EACH_SECOND, quick.bind(), catch_up="all", overlap="queue")


async def ticks_of(runner: JobRunner, name: str) -> dict[datetime, Job]:
    """The jobs of a schedule by their tick."""
    jobs = [job for job in await runner.jobs.list(type="quick", limit=1000) if job.schedule == name]
    found = {job.tick: job for job in jobs if job.tick is not None}
    assert len(found) == len(jobs), "one tick, two jobs"
    return found


@slow
async def test_each_tick_makes_one_job_while_processes_are_killed_and_started(database: Path) -> None:
    await asyncio.to_thread(put, database, "first")
    async with looking(database) as runner, AsyncExitStack() as stack:
        children: list[Child] = [await stack.enter_async_context(worker(database)) for _ in range(2)]
        for _ in range(KILLS):
            await let_fault_last(random.uniform(0.2, 0.9))  # of two processes one at least goes on, or both begin
            assert await children.pop(0).kill() == -SIGKILL
            children.append(await stack.enter_async_context(worker(database)))
        await asyncio.to_thread(put, database, "second")  # while they run
        async with asyncio.timeout(PATIENCE):
            while len(await ticks_of(runner, "second")) < 3:
                await pause()
        for child in children:
            child.order("leave")
            assert await child.ended() == 0
        for name in ("first", "second"):
            jobs = await ticks_of(runner, name)
            ticks = sorted(jobs)
            assert ticks == [ticks[0] + timedelta(seconds=n) for n in range(len(ticks))]
            assert len(ticks) > 2
            state = await runner.schedules.get(name)
            assert (state.last_tick, state.latest_job) == (ticks[-1], jobs[ticks[-1]].id)
        pending = {job.id for job in await runner.jobs.list(status=Status.PENDING)}
        assert all(job.status is Status.COMPLETED or job.id in pending for job in jobs.values())

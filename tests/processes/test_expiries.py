"""No attempt begins after the expiry of its job, over racing processes of which one is killed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.clock import MICROSECONDS, to_micros
from tests.helpers.apps.admitting import brief, jobs
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import until

PROCESSES, JOBS = 4, 1200
SHORT, LONG = 0.5, 60.0  # seconds within which a job is to begin


@slow
async def test_no_attempt_begins_after_the_expiry_of_its_job(database: Path) -> None:
    async with AsyncExitStack() as stack:
        arguments = ("-m", "tests.helpers.apps.admitting", database, "5")
        children = [await stack.enter_async_context(program(*arguments)) for _ in range(PROCESSES)]
        for child in children:
            await child.line("ready")
        runner = await stack.enter_async_context(JobRunner(database, jobs=[jobs], max_running=0))
        wanted = [SHORT if n % 2 else LONG for n in range(JOBS)]
        handles = await runner.enqueue_many([brief.using(expires=expires).bind(0.03) for expires in wanted])
        await until(lambda: runner.stats().completed > JOBS / 20, look_every=0.01)
        await children.pop().kill()
        await until(lambda: runner.stats().completed + runner.stats().cancelled == JOBS, look_every=0.02)
        ended: dict[float, set[Status]] = {SHORT: set(), LONG: set()}
        for handle, expires in zip(handles, wanted, strict=True):
            job = await handle.job()
            ended[expires].add(job.status)
            until_when = to_micros(job.created_at) + round(expires * MICROSECONDS)
            assert job.started_at is None or to_micros(job.started_at) < until_when
            if job.status is Status.CANCELLED:
                assert job.reason == "expired"
                assert job.completed_at is not None
                assert to_micros(job.completed_at) >= until_when
        assert ended == {SHORT: {Status.COMPLETED, Status.CANCELLED}, LONG: {Status.COMPLETED}}
        for child in children:
            child.order("leave")
            assert await child.ended() == 0

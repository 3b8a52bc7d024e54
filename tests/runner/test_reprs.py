"""How objects of the public surface look in a debugger, a log line and a notebook: on one line, without secrets."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiojobs_lite import JobRunner, job
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import faulty
from tests.helpers.waiting import until


async def test_a_runner_shows_its_file_its_state_and_its_job_types(database: Path) -> None:
    runner, release = JobRunner(database), asyncio.Event()
    shown = f"<JobRunner {str(database)!r}"
    assert repr(runner) == f"{shown} not started, 0 job types>"

    @runner.job
    async def waits() -> None:
        await release.wait()

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise KeyError("a")

    async with runner:
        assert repr(runner) == f"{shown} started, 0 jobs running, 2 job types>"
        handle = await runner.enqueue(waits)
        await until(lambda: runner.stats().running == 1)
        assert repr(runner) == f"{shown} started, 1 job running, 2 job types>"
        assert repr(handle) == f"<JobHandle 'waits' job {handle.id}>"
        assert repr(await handle.job()) == f"<Job 'waits' job {handle.id} processing, attempts 1/5>"
        Probe(runner).drain()
        assert repr(runner) == f"{shown} draining, 1 job running, 2 job types>"
        release.set()
    assert repr(runner) == f"{shown} closed, 2 job types>"
    async with runner:
        dead = await runner.enqueue(fails)
        await runner.run_until_idle()
        assert repr(await dead.job()) == f"<Job 'fails' job {dead.id} dead, attempts 1/1: KeyError: 'a'>"


def test_a_job_type_shows_its_name_and_its_function() -> None:
    @job(name="a.b")
    async def handler() -> None: ...

    assert repr(handler).startswith("<JobType 'a.b' of ")
    assert repr(handler.using(delay="5m", label="eu")) == "<JobType 'a.b' with delay='5m', label='eu'>"
    assert (
        repr(handler.using(priority="low", expires="1h30m")) == "<JobType 'a.b' with priority='low', expires='1h30m'>"
    )
    assert repr(handler.bind()) == "<BoundJob 'a.b' {}>"


def test_a_store_is_shown_by_its_class(database: Path) -> None:
    assert repr(JobRunner(faulty(database))) == "<JobRunner FaultStore not started, 0 job types>"

"""Who is taken for dead: a killed owner, so that what waits behind its job goes on, and no other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aiojobs_lite import JobContext, JobRunner, Status, injected, job
from aiojobs_lite.telemetry.facts import JobCompleted, OwnerRescued
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.worker import held
from tests.helpers.programs import looking, rescue, worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact, until


@job(name="alone", concurrency=1)
async def alone_here(ctx: JobContext = injected) -> int:
    """The same type as that of the other process, but it ends at once."""
    return ctx.attempt


@slow
async def test_a_killed_process_holds_up_no_job_behind_its_own_after_a_restart(database: Path) -> None:
    async with looking(database) as before:
        for _ in range(4):
            await before.enqueue_named("alone")
    async with worker(database) as child:
        await child.line("started")
        await child.kill()
    assert len(child.said("started")) == 1
    async with JobRunner(database, jobs=[alone_here]) as runner:
        await runner.run_until_idle()
        assert (runner.stats().completed, runner.stats().pending) == (4, 0)
        assert sorted(found.attempts for found in await runner.jobs.list()) == [1, 1, 1, 2]


@slow
async def test_a_killed_process_holds_up_no_job_behind_its_own_in_another_that_lives(database: Path) -> None:
    async with looking(database) as before:
        for _ in range(4):
            await before.enqueue_named("alone")
    async with worker(database) as child:
        await child.line("started")
        async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[alone_here]) as living:
            await until(lambda: "alone" in Probe(living).limited_types)
            await child.kill()
            events, others = living.watch(), living.watch()  # the rescue may be published before or after the jobs
            await rescue(living)
            assert (await next_fact(events, OwnerRescued)).jobs == 1
            for _ in range(4):
                await next_fact(others, JobCompleted)  # and nothing else was done
            assert living.stats().completed == 4


@slow
@pytest.mark.parametrize("which", ["owner", "other"])
async def test_a_job_whose_owner_came_by_another_name_of_the_file_is_not_taken_for_lost(
    database: Path, tmp_path: Path, owner_files: Callable[[], list[str]], which: str
) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(database)
    names = (database, link) if which == "other" else (link, database)
    async with worker(names[0]) as child:
        await child.line("ready")
        async with looking(names[1]) as other:
            handle = await other.enqueue(held)
            await child.line("started")
            for _ in range(2):
                await rescue(other)
                found = await handle.job()
                assert (found.status, found.attempts, found.crashes) == (Status.PROCESSING, 1, 0)
                assert len(owner_files()) == 2
            child.order("go")
            assert await handle.result(PATIENCE) == child.pid
    assert [path.name for path in link.parent.iterdir()] == ["link.db"]


@slow
async def test_a_runner_whose_owner_file_was_removed_keeps_its_jobs(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    @job(name="held")
    async def held_here() -> int:
        entered.set()
        await release.wait()
        return os.getpid()

    async with JobRunner(database, jobs=[held_here]) as runner:
        handle = await runner.enqueue(held_here)
        await entered.wait()
        for _ in range(3):
            (name,) = owner_files()
            (database.parent / name).unlink()
            assert owner_files() == []
            await rescue(runner)
            assert owner_files() == [name]
        assert open_files(name) == [str(database.parent / name)]
        async with worker(database) as child:  # its start rescues
            await child.line("ready")
            found = await handle.job()
            assert (found.status, found.attempts, found.crashes) == (Status.PROCESSING, 1, 0)
            assert name in owner_files()
        release.set()
        assert await handle.result() == os.getpid()
        assert child.said("started") == []


def open_files(name: str) -> list[str]:
    """The descriptors of this process that lead to a file, or led to one that was removed."""
    folder, found = "/proc/self/fd", []
    for number in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            target = os.readlink(f"{folder}/{number}")
        except OSError:
            continue  # the listing's own
        if name in target:
            found.append(target)
    return found

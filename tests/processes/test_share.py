"""Several processes on one file: limits, ticks, results and orders hold over all of them."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aiojobs_lite import JobCancelled, Status
from aiojobs_lite.model.progress import JobChange
from tests.helpers.apps.shared import LIMIT, limited, runner_on
from tests.helpers.apps.worker import quick, reporting
from tests.helpers.programs import Child, looking, program, rescue, worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, until

PROCESSES = 4
SECONDS = int(os.environ.get("SHARE_SECONDS", "4"))  # ticks of the shared schedule that are waited for


@slow
async def test_four_processes_fire_each_tick_once_and_keep_the_limit(database: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(program("-m", "tests.helpers.apps.shared", database, log))
            for _ in range(PROCESSES)
        ]
        for child in children:
            await child.line("ready")
        async with runner_on(database, max_running=0) as runner:
            handles = []
            for _ in range(SECONDS):
                before = len(noted(log, "tick"))
                handles += await runner.enqueue_many([limited.bind() for _ in range(60)])
                await until(lambda: len(noted(log, "tick")) > before, look_every=0.02)  # noqa: B023  # called at once
            for handle in handles:
                await handle.result(PATIENCE)
        await left(children)
    ticks = sorted(int(instant) for instant, _ in noted(log, "tick"))
    assert len(ticks) >= SECONDS
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))  # one job a tick, and none was left out
    assert most_at_once(log) == LIMIT
    assert Counter(job_id for job_id, _ in noted(log, "begin")) == {str(handle.id): 1 for handle in handles}
    assert len({pid for _, pid in noted(log, "begin")}) > 1  # more than one process took part


@slow
async def test_one_key_makes_one_job_over_racing_processes(database: Path) -> None:
    async with AsyncExitStack() as stack:
        children = [await stack.enter_async_context(worker(database, max_running=0)) for _ in range(PROCESSES)]
        for child in children:
            await child.line("ready")
        for child in children:
            child.order("race k 50")
        for child in children:
            await child.line("raced")
        await left(children)
    said = [words for child in children for words in child.said("enqueued")]
    assert len(said) == 50 * PROCESSES
    assert len({(key, job_id) for _, key, job_id, _ in said}) == 50
    assert Counter(is_new for *_, is_new in said)["True"] == 50


@slow
async def test_a_result_and_a_cancel_reach_across_processes(database: Path) -> None:
    async with worker(database) as child, looking(database) as runner:
        await child.line("ready")
        assert await (await runner.enqueue(quick)).result(PATIENCE) == child.pid
        endless = await runner.enqueue_named("endless")
        await child.line("started")
        assert await endless.cancel("not needed") is Status.PROCESSING
        await child.line("stopped")
        with pytest.raises(JobCancelled) as caught:
            await endless.result(PATIENCE)
        assert caught.value.reason == (await endless.job()).reason == "not needed"
        await left([child])


@slow
async def test_a_pause_holds_in_every_process(database: Path) -> None:
    async with looking(database) as runner, worker(database) as child:
        await child.line("ready")
        await runner.types.pause(quick)
        limited = await runner.enqueue(quick)
        endless = await runner.enqueue_named("endless")  # enqueued later, and started all the same
        await child.line("started")
        assert (await limited.job()).attempts == 0
        await runner.types.resume(quick)
        assert await limited.result(PATIENCE) == child.pid
        await endless.cancel()
        await left([child])


@slow
async def test_a_second_database_in_one_process_leaves_the_first_owner_alive(database: Path, tmp_path: Path) -> None:
    async with looking(database) as runner, worker(database) as child:
        handle = await runner.enqueue_named("held")
        await child.line("started")
        child.order(f"open {tmp_path / 'other.db'}")
        assert await child.line("opened") == ["opened", str(child.pid)]
        child.order(f"open {database}")  # a second runner on the same file, in the same process
        await child.line("opened")
        await rescue(runner)
        job = await handle.job()
        assert (job.status, job.attempts, job.crashes) == (Status.PROCESSING, 1, 0)
        child.order("go")
        assert await handle.result(PATIENCE) == child.pid
        await left([child])


async def left(children: list[Child]) -> None:
    """Has the processes leave; they end well, and none ever found the database locked."""
    for child in children:
        child.order("leave")
    for child in children:
        assert await child.ended() == 0
        assert not [line for line in child.lines if "locked" in line.lower() or "degraded" in line]


@slow
async def test_progress_lines_and_changes_reach_across_processes_and_kills(database: Path) -> None:
    async with AsyncExitStack() as stack:
        runner = await stack.enter_async_context(looking(database))
        first = await stack.enter_async_context(worker(database))
        await first.line("ready")
        handle = await runner.enqueue(reporting)
        watch, watched, lines = handle.watch(), list[JobChange](), list[str]()

        async def until_reported(attempt: int) -> None:
            async with asyncio.timeout(PATIENCE):
                async for change in watch:
                    watched.append(change)
                    lines.extend(line.text for line in change.lines)
                    if change.progress is not None and change.progress.attempt == attempt and len(lines) == attempt:
                        return

        await until_reported(1)
        await first.kill()
        second = await stack.enter_async_context(worker(database))
        await until_reported(2)
        assert await handle.result(PATIENCE) == second.pid
        watched += [change async for change in watch]
        assert (watched[-1].status, watched[-1].attempts, lines) == (Status.COMPLETED, 2, ["attempt 1", "attempt 2"])
        assert watched[-1].progress is not None
        assert watched[-1].progress.fraction == 0.5
        assert [line.text for line in (await runner.jobs.log(handle.id)).lines] == lines
        await left([second])


def noted(log: Path, word: str) -> list[list[str]]:
    """What was noted with a word, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split()[1:] for line in lines if line.startswith(word)]


def most_at_once(log: Path) -> int:
    """The most jobs with a limit that were processing at one moment, over all processes."""
    running = most = 0
    for line in log.read_text().splitlines():
        running += {"begin": 1, "end": -1}.get(line.split()[0], 0)
        most = max(most, running)
    return most

"""A stuck thread, a blocked loop and a stopped process are found by the command line and the dashboard of another."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiojobs_lite import JobRunner
from tests.helpers.apps.worker import quick
from tests.helpers.command import command
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.pauses import pause
from tests.helpers.programs import worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE


async def said(database: Path, *arguments: str | int) -> tuple[int, str]:
    found = await asyncio.to_thread(command, *arguments, "--db", database)
    return found.code, found.out


async def until_said(database: Path, is_said: Callable[[str], bool], *arguments: str | int) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE):
        while not is_said((found := await said(database, *arguments))[1]):
            await pause(0.05)
    return found


async def page_of(database: Path) -> str:
    async with dashboard(JobRunner(database, max_running=0)) as client:
        return text_of((await client.get("/")).text)


@slow
async def test_a_stuck_thread_is_found_from_outside_and_still_after_its_runner_has_left(database: Path) -> None:
    async with worker(database, cancel_grace=0.1, drain_timeout=0.1) as child:
        await child.line("ready")
        child.order("enqueue deaf")
        _, job_id, _ = await child.line("started")
        stuck = f"job {job_id} of deaf, attempt 1, is stuck: stopped (timeout)"
        code, text = await until_said(database, lambda text: stuck in text, "check")
        assert code == 7
        assert f"(pid {child.pid} on " in text
        assert "worker.py:" in text
        assert " in deaf" in text
        assert (await said(database, "status"))[1].startswith(stuck)
        explained = (await said(database, "explain", job_id))[1]
        assert "it was stopped (timeout)" in explained
        assert "it keeps its slot until it ends by itself, or its process is restarted" in " ".join(explained.split())
        assert f"Job {job_id} of deaf, attempt 1, is stuck" in await page_of(database)
        child.order("leave")
        await child.line("restored")
        assert stuck in (await said(database, "status"))[1]  # its process ends when the thread does
        os.utime(next(database.parent.glob("*-owner-????????????????")), (0, 0))
        assert "has not reported" not in (await said(database, "status"))[1]  # its runner has ended
        child.order("free")
        assert await child.ended() == 0
    assert "stuck" not in (await said(database, "status"))[1]


@slow
async def test_a_blocked_loop_is_found_from_outside_with_the_job_that_blocks_it(database: Path) -> None:
    async with worker(database) as child:
        await child.line("ready")
        child.order("enqueue blocking")
        _, job_id, _ = await child.line("started")
        blocked = f"(pid {child.pid} on "
        code, text = await until_said(database, lambda text: "has been blocked for" in text, "check")
        assert code == 7
        assert blocked in text
        assert f"by job {job_id} of blocking at " in text
        assert " in blocking" in text
        assert "has been blocked for" in (await said(database, "explain", job_id))[1]
        assert f"by job {job_id} of blocking" in await page_of(database)
        async with JobRunner(database, jobs=[quick], max_running=0) as runner:
            waits = await runner.enqueue(quick)
        explained = (await said(database, "explain", waits.id))[1]
        assert " waits: the event loop of the runner " in " ".join(explained.split())
        child.order("free")
        code, _ = await until_said(database, lambda text: "blocked" not in text, "check")
        assert code == 0
        child.order("leave")
        assert await child.ended() == 0


@slow
async def test_a_stopped_process_is_silent(database: Path) -> None:
    async with worker(database) as child:
        await child.line("ready")
        child.order("enqueue held")
        _, job_id, _ = await child.line("started")
        child.signal(signal.SIGSTOP)
        file = next(database.parent.glob("*-owner-????????????????"))
        os.utime(file, (time.time() - 40,) * 2)
        code, text = await said(database, "check")
        assert code == 7
        assert f"(pid {child.pid} on " in text
        assert "has not reported for 4" in text
        found: Any = await asyncio.to_thread(command, "status", "--json", "--db", database)
        assert found.json["runners"][0]["silent"] > 39
        assert "has not reported for 4" in (await said(database, "explain", job_id))[1]
        assert "has not reported for 4" in await page_of(database)
        child.signal(signal.SIGCONT)
        child.order("go")
        await until_said(database, lambda text: "has not reported" not in text, "check")
        child.order("leave")
        assert await child.ended() == 0

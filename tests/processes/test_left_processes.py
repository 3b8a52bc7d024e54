"""What handlers start that run in the application itself: it belongs to them, and no runner ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import outside, pid_in
from tests.helpers.engine import engine_of
from tests.helpers.programs import alive, program
from tests.helpers.rings import slow
from tests.helpers.starting import start
from tests.helpers.waiting import PATIENCE

pytestmark = [slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]
MODES = pytest.mark.parametrize("mode", ["async", "thread"])
LEFT: list[subprocess.Popen[bytes]] = []


async def starts_on_the_loop(note: str) -> None:
    LEFT.append(start("subprocess", note))
    await asyncio.Event().wait()


def starts_in_a_thread(note: str, *, ctx: JobContext = injected) -> None:
    LEFT.append(start("subprocess", note))
    while not ctx.stopping:
        pass
    raise TimeoutError


async def starts_and_ends(note: str) -> None:
    started = start("subprocess", note)
    try:
        await asyncio.Event().wait()
    finally:
        started.kill()
        started.wait()


def of_mode(mode: str) -> JobType[..., Any]:
    handlers: dict[str, Any] = {"async": starts_on_the_loop, "thread": starts_in_a_thread}
    return JobType(handlers[mode], name="starts", timeout="30s", max_attempts=1)


async def stopped(job_type: JobType[..., Any], note: Path, why: str) -> int:
    """The process that an attempt started which was then stopped."""
    clock = FakeClock()
    runner = JobRunner(":memory:", jobs=[job_type], clock=clock, drain_timeout=0)
    async with asyncio.timeout(3 * PATIENCE), runner:
        handle = await runner.enqueue(job_type, str(note))
        pid = await pid_in(note)
        if why == "cancel":
            await handle.cancel()
        elif why == "timeout":
            clock.advance("30s")
        if why != "drain":
            await outside(lambda: engine_of(runner).attempts.running == 0)
    return pid


@MODES
@pytest.mark.parametrize("why", ["timeout", "cancel", "drain"])
async def test_what_a_handler_of_the_application_started_goes_on_when_it_is_stopped(
    tmp_path: Path, why: str, mode: str
) -> None:
    try:
        assert alive(await stopped(of_mode(mode), tmp_path / "note", why))
    finally:
        while LEFT:
            left = LEFT.pop()
            left.kill()
            left.wait()


@pytest.mark.parametrize("why", ["timeout", "cancel", "drain"])
async def test_a_handler_on_the_event_loop_ends_what_it_started_in_its_own_clean_up(tmp_path: Path, why: str) -> None:
    assert not alive(await stopped(JobType(starts_and_ends, timeout="30s"), tmp_path / "note", why))


@MODES
async def test_what_a_handler_of_the_application_started_outlives_a_killed_runner(tmp_path: Path, mode: str) -> None:
    note = tmp_path / "note"
    script = f"""if True:
        import asyncio
        from aiojobs_lite import JobRunner
        from tests.processes.test_left_processes import of_mode
        async def main():
            starts = of_mode({mode!r})
            async with JobRunner(":memory:", jobs=[starts]) as runner:
                await (await runner.enqueue(starts, {str(note)!r})).result()
        asyncio.run(main())
    """
    async with program("-c", script) as parent:
        pid = await pid_in(note)
        try:
            parent.signal(signal.SIGKILL)
            await outside(lambda: not alive(parent.pid))
            assert alive(pid)
        finally:
            os.kill(pid, signal.SIGKILL)

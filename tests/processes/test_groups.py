"""Signals to a process group, as a terminal sends them, or to all processes, as a service manager does: they mean the
application.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import anyio
import pytest

from aiojobs_lite import Job, JobRunner, Status
from aiojobs_lite.engine.workers import WorkerPool
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.telemetry.facts import AttemptFailed
from tests.helpers.apps.grouped import waits
from tests.helpers.calls import pid_in
from tests.helpers.programs import Child, alive, descendants, leader, members
from tests.helpers.rings import first_of, slow
from tests.helpers.waiting import PATIENCE, next_fact, until

BOTH = pytest.mark.parametrize("number", first_of(1, [SIGTERM, SIGINT]))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@asynccontextmanager
async def group(database: Path, folder: Path, *how: str, **options: object) -> AsyncIterator[Child]:
    """Starts `apps/grouped.py`, or another script, as the head of a process group of its own; kills it in the end."""
    how = how or ("-m", "tests.helpers.apps.grouped")
    async with leader(*how, database, folder, json.dumps(options)) as child:
        yield child
    await until(lambda: not any(map(alive, members(child.pid))), 0.01)


async def found_in(database: Path) -> Job:
    async with JobRunner(database, jobs=[waits], max_running=0) as runner:
        return await runner.jobs.get(1)


@slow
@BOTH
@pytest.mark.parametrize("ends_in_time", first_of(1, [False, True]))
async def test_a_group_signalled_in_mid_handler_completes_or_gives_back_its_job(
    database: Path, tmp_path: Path, number: Signals, ends_in_time: bool
) -> None:
    drain_timeout = PATIENCE if ends_in_time else 0.1
    async with group(database, tmp_path, drain_timeout=drain_timeout, cancel_grace=PATIENCE) as child:
        await child.line("enqueued")
        pid = await pid_in(tmp_path / "pid")
        os.killpg(child.pid, number)
        await child.line("log drain started")
        if ends_in_time:
            assert alive(pid)
            (tmp_path / "go").touch()
        assert await child.ended() == -number
        assert not any("BrokenWorkerProcess" in line for line in child.lines), child.lines
    found = await found_in(database)
    if ends_in_time:
        assert (found.status, found.attempts, found.history) == (Status.COMPLETED, 1, ())
    else:
        assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 1)
        assert [one.outcome for one in found.history] == [Outcome.INTERRUPTED]


HOSTED = """
import asyncio, sys
from tests.helpers.apps import grouped
grouped.show_log()
asyncio.run(grouped.main(sys.argv[1], sys.argv[2], {"drain_timeout": 20, "cancel_grace": 20}))
"""  # as under a server: the library comes into the other process with its first order, not with the main module


@slow
@pytest.mark.parametrize(
    ("number", "start", "moment"),
    [
        (SIGTERM, "script", "enqueued"),
        (SIGINT, "script", "enqueued"),
        (SIGTERM, "script", "importing"),
        (SIGINT, "script", "importing"),
        (SIGTERM, "hosted", "importing"),
        (SIGINT, "hosted", "importing"),
        (SIGTERM, "script", "begun"),
        (SIGINT, "script", "begun"),
    ],
)
async def test_all_processes_signalled_when_a_job_was_just_enqueued_lose_no_attempt(
    database: Path, tmp_path: Path, number: Signals, start: str, moment: str
) -> None:
    """The other process is not there yet, or has only begun to start: it does not ignore signals yet."""
    (tmp_path / "go").touch()
    how = ["-c", HOSTED] if start == "hosted" else ["-m", "tests.helpers.apps.grouped"]
    async with group(database, tmp_path, *how, drain_timeout=PATIENCE, cancel_grace=PATIENCE) as child:
        await child.line("enqueued")
        if moment != "enqueued":
            await until(lambda: bool(descendants(child.pid)), 0.001)
        if moment == "importing":
            await until(lambda: imports(descendants(child.pid)), 0.001)
        for pid in (child.pid, *descendants(child.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        assert await child.ended() == -number
        assert not any("BrokenWorkerProcess" in line for line in child.lines), child.lines
    found = await found_in(database)
    assert found.crashes == 0
    if found.status is Status.COMPLETED:
        assert (found.attempts, found.history) == (1, ())
    else:
        assert (found.status, found.attempts) == (Status.PENDING, 0), (found.history, child.lines)
        assert all(one.outcome is Outcome.INTERRUPTED for one in found.history)


def imports(pids: list[int]) -> bool:
    """Whether one of these processes imports the library now, or has ended; a fork that is yet to become another
    program has it from its parent.
    """
    try:
        new = [pid for pid in pids if b"supervise(" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return any("pydantic_core" in Path(f"/proc/{pid}/maps").read_text() for pid in new) or not pids
    except OSError:
        return True


async def test_a_process_that_dies_while_it_starts_is_interrupted_in_a_drain_and_a_failure_else(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    """The same without luck."""
    starting, dies = asyncio.Event(), asyncio.Event()

    async def dying(*_arguments: object) -> None:
        starting.set()
        await dies.wait()
        raise anyio.BrokenWorkerProcess

    monkeypatch.setattr(WorkerPool, "_prepared", dying)
    runner = JobRunner(database, jobs=[waits])
    await runner.__aenter__()
    await runner.enqueue(waits, "")
    await starting.wait()
    leaving = asyncio.ensure_future(runner.__aexit__(None, None, None))
    await until(lambda: runner.stats().draining)
    dies.set()
    await leaving
    interrupted = await found_in(database)
    assert (interrupted.attempts, interrupted.interruptions) == (0, 1)
    async with runner:
        events = runner.watch()
        await next_fact(events, AttemptFailed)
        failed = await runner.jobs.get(1)
    assert (failed.attempts, failed.history[-1].error_type) == (1, "BrokenWorkerProcess")

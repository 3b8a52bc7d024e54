"""Handlers in other processes: how their runner is started, and what can be awaited of them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiojobs_lite import JobRunner
from aiojobs_lite.engine.workers import WorkerPool
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.pauses import pause
from tests.helpers.waiting import PATIENCE


class Classless(Exception):
    """Cannot even be asked for its class."""

    @property  # type: ignore[misc]  # as hostile as can be
    def __class__(self) -> Any:
        raise self


def hangs(started: str) -> None:
    """A handler that says in a file which process runs it, and never ends."""
    Path(started).write_text(str(os.getpid()))
    threading.Event().wait()


@asynccontextmanager
async def started(clock: FakeClock, *job_types: JobType[..., Any], **options: Any) -> AsyncIterator[JobRunner]:
    runner = JobRunner(":memory:", jobs=job_types, clock=clock, **options)
    async with asyncio.timeout(3 * PATIENCE), runner:  # processes start slowly on a busy machine
        yield runner


def in_process(handler: Callable[..., Any], **options: Any) -> JobType[..., Any]:
    return JobType(handler, process=True, **options)


async def outside(condition: Callable[[], bool]) -> None:
    """Waits for something in another process, of which no event comes."""
    async with asyncio.timeout(3 * PATIENCE):
        while not condition():
            await pause()


async def pid_in(note: Path) -> int:
    """The process in which `hangs` runs, when it does."""
    await outside(lambda: note.exists() and note.read_text() != "")
    return int(note.read_text())


def has_workers(runner: JobRunner) -> bool:
    """Whether a runner knows of processes for handlers, busy or idle."""
    pool: WorkerPool = Probe(runner).parts.executor.processes._workers
    return bool(pool._workers or pool._idle)

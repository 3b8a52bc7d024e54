"""A runner under load finds no defect in itself, whatever its handlers and callers do."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import Any, Final

import pytest

from aiojobs_lite import JobContext, JobHandle, JobRunner, Retry, Snooze, injected, job
from aiojobs_lite.engine import defect_monitor
from tests.helpers.pauses import hold_thread_for, work_for
from tests.helpers.rings import depth, slow

SECONDS: Final = depth(5, 10)
CALLERS: Final = 40


@job(max_attempts=3, timeout="0.05s", concurrency=3)
async def late(ctx: JobContext = injected) -> None:
    await work_for(random.uniform(0, 0.1))


@job(max_attempts=2)
async def blocks() -> None:
    hold_thread_for(random.uniform(0, 0.02))


@job(max_attempts=3, concurrency=4)
def threaded() -> int:
    hold_thread_for(random.uniform(0, 0.05))
    return 1


@job(max_attempts=3)
async def moody() -> None:
    raise random.choice([Retry("busy", after="0.1s"), Snooze("0.1s"), ValueError("no")])


@job(timeout="0.02s", max_attempts=1)
async def stubborn() -> None:
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await work_for(0.05)


@job(concurrency=1)
async def alone() -> None:
    await asyncio.sleep(0)


HANDLERS: Final[list[Any]] = [late, blocks, threaded, moody, stubborn, alone]


async def caller(runner: JobRunner, until: float) -> None:
    """Enqueues, awaits, is cancelled and cancels, at random."""
    while time.monotonic() < until:
        handle: JobHandle[Any] = await runner.enqueue(random.choice(HANDLERS))
        what = random.random()
        if what < 0.2:
            await handle.cancel()
        elif what < 0.6:
            with contextlib.suppress(Exception):
                await handle.result(timeout=random.uniform(0, 0.5))
        elif what < 0.65:
            await runner.types.pause("alone")
            await work_for(random.uniform(0, 0.05))
            await runner.types.resume("alone")
        await work_for(random.uniform(0, 0.1))


async def canceller(callers: list[asyncio.Task[None]], runner: JobRunner, until: float) -> None:
    """Cancels a caller now and then, in the midst of whatever it does."""
    while time.monotonic() < until:
        at = random.randrange(len(callers))
        callers[at].cancel()
        await asyncio.gather(callers[at], return_exceptions=True)
        callers[at] = asyncio.ensure_future(caller(runner, until))
        await work_for(random.uniform(0, 0.05))


@slow
@pytest.mark.parametrize("runners", [1, 2])
async def test_a_busy_runner_finds_no_defect(database: Path, monkeypatch: pytest.MonkeyPatch, runners: int) -> None:
    """The looks come ten times as often as they do; that none finds anything the fixture `no_defect_found` says."""
    monkeypatch.setattr(defect_monitor, "DEFECTS_EVERY_S", 0.1)
    until = time.monotonic() + SECONDS
    async with contextlib.AsyncExitStack() as stack:
        works = []
        for _ in range(runners):
            runner = JobRunner(database, jobs=HANDLERS, max_running=20, durability="normal")
            await stack.enter_async_context(runner)
            callers = [asyncio.ensure_future(caller(runner, until)) for _ in range(CALLERS)]
            works.append((callers, asyncio.ensure_future(canceller(callers, runner, until))))
        for callers, cancels in works:
            await cancels
            await asyncio.gather(*callers, return_exceptions=True)
        stats = runner.stats()
        assert min(stats.completed, stats.dead, stats.cancelled) > 0  # it was busy: jobs came to an end of each kind

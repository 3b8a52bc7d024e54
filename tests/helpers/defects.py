"""Runners in which a test plants a defect of the library: their monitor looks every few milliseconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.engine import clock_monitor, defect_monitor, guard
from aiojobs_lite.engine.defect_monitor import DefectMonitor
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.testing.probe import Probe
from tests.helpers.waiting import PATIENCE, until

LOOKS_EVERY_S = 0.01


@job(max_attempts=2)
async def quick() -> str:
    await asyncio.sleep(0)
    return "done"


@job(max_attempts=2)
def threaded() -> str:
    return threading.current_thread().name


@asynccontextmanager
async def started(*handlers: Any, **options: Any) -> AsyncIterator[tuple[JobRunner, Watch]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defect_monitor, "DEFECTS_EVERY_S", LOOKS_EVERY_S)
        patch.setattr(guard, "RESTART_PAUSE_S", LOOKS_EVERY_S)
        patch.setattr(clock_monitor, "CLOCK_LOOK_EVERY_S", 1e9)  # a clock that was set wakes what is planted
        async with asyncio.timeout(3 * PATIENCE), JobRunner(":memory:", jobs=handlers, **options) as runner:
            yield runner, runner.watch()


def counted_looks(patch: pytest.MonkeyPatch) -> list[object]:
    """The checks that have looked since now, each time they did."""
    looks: list[object] = []
    look = DefectMonitor._look

    async def noted(self: DefectMonitor, check: Any) -> None:
        await look(self, check)
        looks.append(check)

    patch.setattr(DefectMonitor, "_look", noted)
    return looks


def parts_of(runner: JobRunner) -> Parts:
    return Probe(runner).parts


async def nothing_to_do(runner: JobRunner) -> None:
    """No transaction is in flight, and none is to come by itself."""
    committer = parts_of(runner).committer
    await until(lambda: committer._alarm._waiter is not None and not committer._alarm._waiter.done())


def expect_failed_task() -> None:
    """The task that fails in this test is never awaited. Its loop reports that when it is collected, which may be in
    another test.
    """
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


def fails_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: BaseException) -> None:
    """A call of a part fails; the next one is as it was."""
    found = getattr(owner, name)

    def fails(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, found)
        raise error

    monkeypatch.setattr(owner, name, fails)

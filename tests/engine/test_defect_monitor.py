"""What is reported of a defect of the library, and what is none."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from aiojobs_lite import job
from aiojobs_lite.telemetry.facts import DefectFound
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.defects import quick, started
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.plants_defects


async def test_what_only_looks_like_a_defect(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Handlers that ignore their stop, that wait, and that hold a thread; a type that is paused or full; a clock that
    stands still; an end that the store cannot take now.
    """
    release, leave = asyncio.Event(), threading.Event()

    @job(concurrency=1, timeout="1s")
    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    @job(timeout="1s")
    def holds() -> None:
        leave.wait(PATIENCE)

    clock = FakeClock()
    async with started(stubborn, holds, quick, clock=clock, cancel_grace="1s") as (runner, _):
        await runner.types.pause("quick")
        handles = [await runner.enqueue(one) for one in (stubborn, stubborn, holds, quick)]
        waits = [asyncio.ensure_future(handle.result()) for handle in handles]
        for _ in range(3):
            await asyncio.sleep(0.2)  # twenty looks
            clock.advance("5s")
        assert runner.stats().stuck == 2
        release.set()
        leave.set()
        await runner.types.resume("quick")
        while not all(waiting.done() for waiting in waits):
            clock.advance("1h")
            await runner.run_until_idle()
        await asyncio.gather(*waits, return_exceptions=True)
    assert "a defect of aiojobs_lite" not in caplog.text


def test_a_report_has_no_payload_and_says_how_to_go_on() -> None:
    text = str(DefectFound("something", 7, "mail", 2, 3.0, "parts"))
    assert text == "a defect of aiojobs_lite, please report this line: something; mail job 7 attempt 2, 3.0 s; parts"

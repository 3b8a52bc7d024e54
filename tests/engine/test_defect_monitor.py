"""What is reported of a defect of the library, and what is none."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import defect_monitor
from aiojobs_lite.engine.defect_monitor import DefectMonitor
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.engine.suspects import Defect
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DefectFound
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.defects import counted_looks, quick, started
from tests.helpers.engine import going, names, published_on
from tests.helpers.waiting import PATIENCE, until

pytestmark = pytest.mark.plants_defects


async def test_what_only_looks_like_a_defect(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Handlers that ignore their stop, that wait, and that hold a thread; a type that is paused or full; a clock that
    stands still; an end that the store cannot take now.
    """
    release, leave, looks = asyncio.Event(), threading.Event(), counted_looks(monkeypatch)

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
            so_far = len(looks)
            await until(lambda before=so_far: len(looks) >= before + 2 * 20)  # type: ignore[misc]  # two checks
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


class Check:
    """A check that finds these at its next looks: defects, or an error."""

    def __init__(self, *found: Defect | Exception) -> None:
        self.found = list(found)
        self.looks = 0

    async def look(self) -> list[Defect]:
        self.looks += 1
        one = self.found.pop(0) if self.found else None
        if isinstance(one, Exception):
            raise one
        return [] if one is None else [one]


def monitor(bus: Bus, attempts: AttemptRegister, *checks: Check) -> DefectMonitor:
    return DefectMonitor(bus=bus, attempts=attempts, checks=checks, describe=lambda: "what is known")


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defect_monitor, "DEFECTS_EVERY_S", 0.001)


async def test_what_a_check_finds_is_published_with_what_is_known(quickly: None) -> None:
    bus, check = Bus(), Check(Defect("it is lost", 7, "mail", 2, 1.5, "parts"))
    facts = published_on(bus)
    async with going(monitor(bus, AttemptRegister(), check).run):
        await until(lambda: check.looks > 1)
    (found,) = facts()
    assert isinstance(found, DefectFound)
    assert (found.what, found.job_id, found.type, found.attempt, found.age) == ("it is lost", 7, "mail", 2, 1.5)
    assert found.parts.startswith("parts; what is known; Python 3.")


async def test_a_check_that_fails_does_not_hold_up_the_others(quickly: None, caplog: pytest.LogCaptureFixture) -> None:
    bus, broken, check = Bus(), Check(ZeroDivisionError(), StoreUnavailable("SQLITE_BUSY", "locked")), Check()
    facts = published_on(bus)
    async with going(monitor(bus, AttemptRegister(), broken, check).run):
        await until(lambda: check.looks > 3)
    assert broken.looks >= check.looks
    assert names(facts()) == []
    assert [record.getMessage() for record in caplog.records] == [
        "a check for defects of the library failed, the others go on; please report it"
    ]


async def test_nothing_is_looked_for_once_the_runner_was_left(quickly: None) -> None:
    class Leaving(Check):
        async def look(self) -> list[Defect]:
            attempts.leave()
            return []

    attempts, after = AttemptRegister(), Check()
    async with going(monitor(Bus(), attempts, Leaving(), after).run):
        await until(lambda: attempts.is_left)
    assert after.looks == 0


def test_a_report_has_no_payload_and_says_how_to_go_on() -> None:
    text = str(DefectFound("something", 7, "mail", 2, 3.0, "parts"))
    assert (
        text == "a defect of aiojobs_lite, please report this line: something; mail job 7 attempt 2, for 3.0 s; parts"
    )

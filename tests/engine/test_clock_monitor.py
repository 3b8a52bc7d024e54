"""Jumps of the real clock, in a world whose time passes only as the test says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import clock_monitor as module
from aiojobs_lite.engine.clock_monitor import ClockMonitor
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going
from tests.helpers.instants import START
from tests.helpers.waiting import PATIENCE, quiet, until

LOOK_EVERY = 0.1


class Rig:
    """A clock monitor each of whose looks takes the next step of the script.

    Attributes:
        script: For each look: how many seconds passed by the monotonic clock, and by the real clock.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *script: tuple[float, float]) -> None:
        self.script = list(script)
        self.clock = FakeClock(START)
        self.monotonic = 1000.0
        self.jumps = [0, 0]
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.monotonic))
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=self._sleep))
        listeners = [SimpleNamespace(clock_jumped=lambda number=number: self._jumped(number)) for number in (0, 1)]
        self.monitor = ClockMonitor(clock=self.clock, listeners=listeners)

    def _jumped(self, number: int) -> None:
        self.jumps[number] += 1

    async def _sleep(self, seconds: float) -> None:
        assert 0 < seconds <= LOOK_EVERY
        await asyncio.sleep(0)
        if not self.script:
            await asyncio.Event().wait()
        passed, real = self.script.pop(0)
        self.monotonic += passed
        self.clock.jump_to(self.clock.time + timedelta(seconds=real))

    async def watch(self) -> None:
        async with asyncio.timeout(PATIENCE), going(self.monitor.run):
            await until(lambda: not self.script)
            await quiet()


IN_TIME = LOOK_EVERY, LOOK_EVERY


@pytest.mark.parametrize(
    ("passed", "real", "jumps"),
    [
        (0.08, 0.08, 0),
        (0.08, 0.5, 0),
        (0.08, 0.6, 1),
        (0.08, -0.5, 1),
        (0.08, 3600.0, 1),
        (0.08, -86400.0, 1),
        (30.0, 30.0, 0),  # a blocked loop is no jump
        (30.0, 0.08, 1),  # a machine that slept, with a real clock that did not go on
    ],
)
async def test_a_jump_of_the_wall_clock_is_noticed(
    monkeypatch: pytest.MonkeyPatch, passed: float, real: float, jumps: int
) -> None:
    rig = Rig(monkeypatch, IN_TIME, (passed, real), IN_TIME)
    await rig.watch()
    assert rig.jumps == [jumps, jumps]  # every listener


async def test_a_jump_between_two_runs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, IN_TIME)
    await rig.watch()
    rig.clock.jump_to(START - timedelta(hours=1))
    rig.script = [IN_TIME] * 2
    await rig.watch()
    assert rig.jumps == [1, 1]


async def test_a_clock_that_is_moved_little_by_little_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, *[(0.08, 0.12)] * 30)
    await rig.watch()
    assert rig.jumps == [2, 2]  # 1.2 seconds, half a second each


async def test_it_looks_by_the_clock_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a test, which stands still, drifts from it by itself: by 0.2 s from one look to the next, here."""
    looks = jumped_at = 0
    jumped = asyncio.Event()

    def monotonic() -> float:
        nonlocal looks
        looks += 1
        return looks * 0.2

    def clock_jumped() -> None:
        nonlocal jumped_at
        jumped_at = jumped_at or looks
        jumped.set()

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(module, "CLOCK_LOOK_EVERY_S", 0.001)
    monitor = ClockMonitor(clock=FakeClock(START), listeners=[SimpleNamespace(clock_jumped=clock_jumped)])
    async with asyncio.timeout(PATIENCE), going(monitor.run):
        await jumped.wait()
    assert jumped_at == 4  # the first was at its making

"""What nobody tells the runner: commits of others, jumps of the wall clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import change_watcher as module
from aiojobs_lite.engine.change_watcher import LOOK_EVERY, Watcher
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going, turns
from tests.helpers.fault_store import FULL
from tests.helpers.waiting import PATIENCE, until

START = datetime(2026, 1, 1, tzinfo=UTC)


class Desk:
    """A watcher in a world whose time passes only as the test says: each look takes the next step of the script.

    Attributes:
        script: For each look: how many seconds passed, by the monotonic clock and by the wall clock, and whether
            somebody else had committed.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *script: tuple[float, float, bool | Exception]) -> None:
        self.script = list(script)
        self.clock = FakeClock(START)
        self.monotonic = 1000.0
        self.changes = 0
        self.jumps = 0
        self.looks = 0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.monotonic))
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=self._sleep))
        self.watcher = Watcher(self, self.clock, changed=self._changed, jumped=self._jumped)  # type: ignore[arg-type]  # it needs no more of a store

    async def _sleep(self, seconds: float) -> None:
        assert seconds == LOOK_EVERY
        if not self.script:
            await asyncio.Event().wait()
        passed, wall, _ = self.script[0]
        self.monotonic += passed
        self.clock.jump_to(self.clock.time + timedelta(seconds=wall))

    async def changed(self) -> bool:
        await asyncio.sleep(0)
        self.looks += 1
        answer = self.script.pop(0)[2]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _changed(self) -> None:
        self.changes += 1

    def _jumped(self) -> None:
        self.jumps += 1

    async def watch(self) -> None:
        async with asyncio.timeout(PATIENCE), going(self.watcher.run):
            await until(lambda: not self.script)
            await turns()


IN_TIME = LOOK_EVERY, LOOK_EVERY


async def test_each_commit_of_somebody_else_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, *[(*IN_TIME, found) for found in (False, True, False, True, True)])
    await desk.watch()
    assert (desk.looks, desk.changes, desk.jumps) == (5, 3, 0)


async def test_it_looks_again_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, (*IN_TIME, False), (*IN_TIME, False))
    desk.watcher.look_again()
    await desk.watch()
    assert (desk.looks, desk.changes) == (2, 1)


@pytest.mark.parametrize(
    ("passed", "wall", "jumps"),
    [
        (0.08, 0.08, 0),
        (0.08, 0.5, 0),
        (0.08, 0.6, 1),
        (0.08, -0.5, 1),
        (0.08, 3600.0, 1),
        (0.08, -86400.0, 1),
        (30.0, 30.0, 0),  # a blocked loop is no jump
        (30.0, 0.08, 1),  # a machine that slept, with a wall clock that did not go on
    ],
)
async def test_a_jump_of_the_wall_clock_is_noticed(
    monkeypatch: pytest.MonkeyPatch, passed: float, wall: float, jumps: int
) -> None:
    desk = Desk(monkeypatch, (*IN_TIME, False), (passed, wall, False), (*IN_TIME, False))
    await desk.watch()
    assert (desk.jumps, desk.looks) == (jumps, 3)


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(days=-1)])
async def test_a_jump_while_the_store_is_asked_is_noticed(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    class Jumping(Desk):
        async def changed(self) -> bool:
            if self.looks == 0:
                self.clock.jump_to(self.clock.time + by)
            return await super().changed()

    desk = Jumping(monkeypatch, *[(*IN_TIME, False)] * 3)
    await desk.watch()
    assert (desk.jumps, desk.looks) == (1, 3)


async def test_a_jump_between_a_fault_and_the_next_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, (*IN_TIME, FULL))
    with pytest.raises(StoreUnavailable):
        await desk.watcher.run()
    desk.clock.jump_to(START - timedelta(hours=1))
    desk.script = [(*IN_TIME, False)] * 2
    await desk.watch()
    assert desk.jumps == 1


async def test_a_clock_that_is_moved_little_by_little_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, *[(0.08, 0.12, False)] * 30)
    await desk.watch()
    assert desk.jumps == 2  # 1.2 seconds, half a second each


async def test_a_fault_is_handed_up_and_the_next_run_sees_the_next_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, (*IN_TIME, FULL))
    with pytest.raises(StoreUnavailable):
        await desk.watcher.run()
    desk.script = [(*IN_TIME, True)]
    await desk.watch()
    assert desk.changes == 1


async def test_it_sleeps_by_the_clock_of_the_machine() -> None:
    """A runner on a test's clock must still notice other processes."""
    looked = asyncio.Event()

    class Store:
        async def changed(self) -> bool:
            looked.set()
            return False

    async def nothing() -> None: ...

    watcher = Watcher(Store(), FakeClock(START), changed=nothing, jumped=lambda: None)  # type: ignore[arg-type]  # the same
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE), going(watcher.run):
        await looked.wait()
    assert time.monotonic() - started >= LOOK_EVERY

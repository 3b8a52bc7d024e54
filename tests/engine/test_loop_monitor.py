"""How late the event loop is, in a world whose time passes only as the test says."""

from __future__ import annotations

import asyncio
import linecache
import threading
import traceback
from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import loop_monitor as module
from aiojobs_lite.engine.loop_monitor import LoopMonitor
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import LoopBlocked, ProcessSuspended
from aiojobs_lite.telemetry.meters import Metrics
from tests.helpers.engine import claimed, going, published_on
from tests.helpers.waiting import PATIENCE, until

HEAVY = claimed(7, "heavy")


class Reporter:
    """Notes what the monitor reports."""

    def __init__(self) -> None:
        self.turns, self.lefts = 0, 0
        self.looks: list[tuple[float, Claimed | None, str]] = []

    def turned(self) -> None:
        self.turns += 1

    def left(self) -> None:
        self.lefts += 1

    def looked(self, late: float, found: Claimed | None, place: str) -> None:
        self.looks.append((round(late, 3), found, place))


def monitor_of(attempts: AttemptRegister | None = None, reporter: Reporter | None = None) -> LoopMonitor:
    return LoopMonitor(
        bus=Bus(), metrics=Metrics(), attempts=attempts or AttemptRegister(), reporter=reporter or Reporter()
    )


class Rig:
    """A monitor each of whose turns takes the next step of the script.

    Attributes:
        script: For each turn, by how many seconds the event loop was late.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *script: float) -> None:
        self.script = list(script)
        self.metrics = Metrics()
        self.bus = Bus()
        self.published = published_on(self.bus)
        self._now = 1000.0
        self.used = 1.0  # of the time that passes, by the process
        world = SimpleNamespace(
            sleep=self._sleep, get_running_loop=asyncio.get_running_loop, current_task=asyncio.current_task
        )
        monkeypatch.setattr(
            module, "time", SimpleNamespace(monotonic=lambda: self._now, process_time=lambda: self._now * self.used)
        )
        monkeypatch.setattr(module, "asyncio", world)
        self.reporter = Reporter()
        self.monitor = LoopMonitor(
            bus=self.bus, metrics=self.metrics, attempts=AttemptRegister(), reporter=self.reporter
        )

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if not self.script:
            await asyncio.Event().wait()
        self._now += seconds + self.script.pop(0)

    async def watch(self, *script: float) -> None:
        self.script += script
        async with asyncio.timeout(PATIENCE), going(self.monitor.run):
            await until(lambda: not self.script)


async def test_the_lag_of_the_loop_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    await rig.watch(2.0)
    assert rig.metrics.loop_lag == pytest.approx(2.0)
    assert (rig.reporter.turns, rig.reporter.lefts) == (1, 1)
    await rig.watch(*[0.0] * 34)
    assert 0.9 < rig.metrics.loop_lag < 1.1
    await rig.watch(5.0)
    assert rig.metrics.loop_lag == pytest.approx(5.0)


async def test_of_over_a_second_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    await rig.watch(0.0, 0.9, 1.1, 0.0, 30.0, 0.9, 0.0)
    found = [event for event in rig.published() if isinstance(event, LoopBlocked)]
    assert [round(event.seconds, 3) for event in found] == [1.1, 30.0]


async def test_of_a_process_that_did_not_run_it_blames_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own thread did not wake either, and no processor time was used: it was suspended."""
    rig = Rig(monkeypatch)
    rig.used = 0.01
    await rig.watch(0.0, 1.1, 0.0, 30.0, 0.9, 0.0)
    found = rig.published()
    assert [type(fact) for fact in found] == [ProcessSuspended] * 2
    assert [round(fact.seconds, 3) for fact in found if isinstance(fact, ProcessSuspended)] == [1.1, 30.0]


@pytest.mark.parametrize("reason", ["its thread woke", "a handler was found"])
async def test_a_loop_that_waits_for_something_is_blocked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """A handler that sleeps uses no processor time either."""
    rig = Rig(monkeypatch)
    rig.used = 0.01
    turned = rig.monitor._back

    def back(lag: float) -> None:
        if reason == "its thread woke":
            rig.monitor._wakes_at = rig._now + 0.1
        else:
            rig.monitor._found = HEAVY, []
        turned(lag)

    monkeypatch.setattr(rig.monitor, "_back", back)
    await rig.watch(3.0)
    assert [type(fact) for fact in rig.published()] == [LoopBlocked]


async def test_its_thread_ends_with_it() -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if "loop monitor" in thread.name]

    monitor = monitor_of()
    async with going(monitor.run):
        await until(lambda: threads() != [])
    assert threads() == []


def test_its_thread_sleeps_until_the_loop_would_be_overdue_and_looks_once_at_each_time_that_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter = Reporter()
    monitor = monitor_of(reporter=reporter)
    now, slept, looked = 1000.0, [], []
    turns = [0.1, 0.0, -0.25, -0.5, None, None, -0.5, 0.2]  # when each sleep is over: in how long the loop is expected

    class Over:
        def wait(self, seconds: float) -> bool:
            nonlocal now
            now += seconds
            slept.append(round(seconds, 3))
            if not turns:
                return True
            expected = turns.pop(0)
            if expected is not None:  # it has been back since
                monitor._expected, monitor._found = now + expected, None
            return False

    def look(*_: object) -> tuple[Claimed, list[traceback.FrameSummary]]:
        looked.append(len(slept))
        return HEAVY, [traceback.FrameSummary("/app/heavy.py", 3, "spin", lookup_line=False)]

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now, process_time=lambda: now))
    monkeypatch.setattr(monitor, "_look", look)
    monitor._watch(None, 0, Over())  # type: ignore[arg-type]  # nothing more is asked of them
    assert slept == [0.5, 0.6, 0.5, 0.25, 0.5, 0.5, 0.5, 0.5, 0.7]
    assert looked == [4, 7]
    heavy = HEAVY, "/app/heavy.py:3 in spin"
    assert reporter.looks == [
        *[(0.0, None, "")] * 3, (0.5, *heavy), (1.0, *heavy), (1.5, *heavy), (0.5, *heavy), *[(0.0, None, "")] * 2,
    ]  # fmt: skip


async def test_a_look_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would give up the interpreter lock, and beside a handler that keeps it the look would come too late."""
    read: list[object] = []

    def noted(*what: object) -> list[str]:
        read.append(what)
        return []

    monkeypatch.setattr(linecache, "checkcache", noted)
    monkeypatch.setattr(linecache, "updatecache", noted)
    attempts = AttemptRegister()
    monkeypatch.setattr(attempts, "attempt_of", lambda _: HEAVY)
    monitor = monitor_of(attempts)
    found, places = monitor._look(asyncio.get_running_loop(), threading.get_ident())
    assert read == []
    assert (found, len(places)) == (HEAVY, 10)
    assert places[-1].name == "_look"
    assert places[-2].name == "test_a_look_reads_no_file"

"""What a runner shows other processes of itself, and when it is written."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aiojobs_lite import job
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine import health as health_module
from aiojobs_lite.engine import troubles as module
from aiojobs_lite.engine.health import Health
from aiojobs_lite.engine.running import AttemptRegister, Running, trouble_of
from aiojobs_lite.engine.troubles import TroubleReporter
from aiojobs_lite.model.troubles import TroubleReport, report_of
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed
from tests.helpers.fault_store import FULL
from tests.helpers.memory_store import MemoryDatabase, MemoryOwners
from tests.helpers.owners import ONE


@job
async def works() -> None: ...


class NotedOwners(MemoryOwners):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__(MemoryDatabase())
        self.written: list[TroubleReport] = []
        self.beats = 0

    def report(self, text: str) -> None:
        self.written.append(report_of(text))

    def beat(self) -> None:
        self.beats += 1


class Rig:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for one in (module, health_module):
            monkeypatch.setattr(one, "time", clock)
        self.health = Health(bus=Bus(), listeners=[])
        self.owners, self.attempts, self.clock = NotedOwners(), AttemptRegister(), FakeClock()
        self.reporter = TroubleReporter(
            owners=self.owners, clock=self.clock, attempts=self.attempts, health=self.health
        )

    def stuck(self, job_id: int) -> Running:
        run = Running(claimed(job_id, "works"), works)
        run.stopped = Stop.CANCEL
        self.attempts.add(run)
        self.attempts.found_stuck(run, trouble_of(run, self.clock.now()))
        return run

    def look(self, late: float = 0.0, place: str = "") -> list[TroubleReport]:
        """A turn of the loop, unless it is late, and a look of the thread; what was written by it."""
        if not late:
            self.reporter.turned()
        self.owners.written.clear()
        self.reporter.looked(late, claimed(9, "works") if late else None, place)
        return self.owners.written


async def test_what_is_stuck_is_written_once_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    assert rig.look() == []
    run = rig.stuck(7)
    (report,) = rig.look()
    (trouble,) = report.troubles
    assert (trouble.kind, trouble.type, trouble.job_id, trouble.attempt, trouble.why) == (
        "stuck",
        "works",
        7,
        1,
        "cancel",
    )
    assert (trouble.since, report.is_left) == (to_datetime(rig.clock.now()), False)
    assert rig.look() == []
    rig.attempts.ended(run)
    assert rig.look() == [TroubleReport()]
    assert rig.look() == []


async def test_a_blocked_loop_is_written_after_five_seconds_and_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.stuck(7)
    rig.look()
    assert rig.look(4.9, "/app/a.py:1 in spin") == []
    (report,) = rig.look(5.5, "/app/a.py:1 in spin")
    blocked, stuck = report.troubles
    assert (blocked.kind, blocked.type, blocked.job_id, blocked.place) == ("blocked", "works", 9, "/app/a.py:1 in spin")
    assert (to_datetime(rig.clock.now()) - blocked.since).total_seconds() == 5.5
    assert stuck.job_id == 7
    assert rig.look(60.0) == []
    assert [[one.kind for one in report.troubles] for report in rig.look()] == [["stuck"]]


async def test_a_database_that_cannot_be_written_is_reported_after_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    rig.stuck(7)
    rig.look()
    rig.health.failed(FULL, with_claim=False)
    for passed, written in ((4.9, []), (0.1, [["degraded", "stuck"]]), (60.0, [])):
        rig.now += passed
        assert [[one.kind for one in report.troubles] for report in rig.look()] == written
    rig.health.recover()
    assert [[one.kind for one in report.troubles] for report in rig.look()] == [["stuck"]]


async def test_a_database_that_cannot_be_written_is_reported_with_since_when_and_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    rig.health.failed(FULL, with_claim=False)
    rig.now += 6.0
    ((degraded,),) = [report.troubles for report in rig.look()]
    assert (degraded.why, degraded.job_id) == ("SQLITE_FULL", None)
    assert (to_datetime(rig.clock.now()) - degraded.since).total_seconds() == 6.0


async def test_code_that_is_no_handler_may_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.reporter.looked(6.0, None, "/app/a.py:1 in spin")
    ((blocked,),) = [report.troubles for report in rig.owners.written]
    assert (blocked.type, blocked.job_id, blocked.place) == (None, None, "/app/a.py:1 in spin")


async def test_it_beats_every_ten_seconds_while_the_loop_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, beats = Rig(monkeypatch), []
    for passed, late in ((9.9, 0.0), (0.1, 0.0), (9.0, 0.0), (5.0, 1.0), (0.5, 0.0), (9.9, 0.0)):
        rig.now += passed
        rig.look(late)
        beats.append(rig.owners.beats)
    assert beats == [0, 1, 1, 1, 2, 2]


async def test_what_goes_on_when_the_runner_is_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    run = Running(claimed(3, "works"), works)
    run.stopped = Stop.SHUTDOWN
    rig.attempts.add(run)
    rig.stuck(4)
    rig.reporter.left()
    rig.reporter.looked(0.0, None, "")
    (report,) = rig.owners.written
    assert report.is_left
    assert [(one.job_id, one.why) for one in report.troubles] == [(3, "shutdown"), (4, "cancel")]


async def test_a_runner_that_is_left_without_attempts_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    await rig.owners.acquire(ONE, lost=print, regained=print)
    rig.reporter.left()
    rig.reporter.looked(0.0, None, "")
    assert rig.owners.written == []

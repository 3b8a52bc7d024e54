"""Reports on their way to the store: few writes, none lost before an end, none after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.engine import progress as module
from aiojobs_lite.engine.ports import Done
from aiojobs_lite.engine.progress import Reports
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.sizes import MOST_LOG_LINES
from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from tests.helpers.engine import claimed
from tests.helpers.waiting import quiet, until


async def handler() -> None: ...


class Rig:
    """Reports whose committer the test plays."""

    def __init__(self) -> None:
        self.kept: list[tuple[Unit, Done]] = []
        self.attempts = AttemptRegister()
        self.reports = Reports(
            commits=self,  # type: ignore[arg-type]  # no more of commits is needed
            clock=FakeClock(), attempts=self.attempts,
        )  # fmt: skip
        self.run = self.starts(7)

    def starts(self, job_id: int) -> Running:
        run = Running(claimed(job_id, "a"), JobType(handler))
        self.attempts.add(run)
        return run

    def keep(self, unit: Unit, done: Done) -> None:
        self.kept.append((unit, done))

    def progress(self, fraction: float) -> bool:
        return self.reports.progress(self.run.claimed, fraction, None)

    def log(self, line: str) -> None:
        self.reports.log(self.run.claimed, line)

    async def written(self) -> Report:
        """The next write."""
        await until(lambda: bool(self.kept))
        ((report,), _) = self.kept[0]
        assert isinstance(report, Report)
        return report

    async def answer(self, answer: bool = True, error: StoreRejected | None = None) -> Report:
        """The next write, which is answered."""
        report = await self.written()
        unit, done = self.kept.pop()
        done(unit, None if error else answer, error)
        return report

    def ends(self) -> Unit:
        self.attempts.ended(self.run)
        return self.reports.last_of(_complete(self.run.claimed))


class LoopBy:
    """The event loop, with timers that ring as the test moves a clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.call_soon_threadsafe = asyncio.get_running_loop().call_soon_threadsafe

    def time(self) -> float:
        return self._clock.now() / MICROSECONDS

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> FakeTimer:
        return self._clock.call_later(delay, partial(callback, *args))


def _complete(job: Claimed) -> Complete:
    return Complete(job.id, job.attempt, job.owner, job.type)


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_the_first_report_is_written_at_once_and_then_one_at_a_time(rig: Rig) -> None:
    rig.progress(0.1)
    rig.progress(0.2)
    rig.log("a")
    report = await rig.written()
    assert (report.fraction, [line.text for line in report.lines], report.goes_with_end) == (0.2, ["a"], False)
    rig.progress(0.3)
    await quiet()
    assert len(rig.kept) == 1


async def test_further_reports_wait_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(get_running_loop=lambda: LoopBy(clock)))
    rig = Rig()
    rig.progress(0.1)
    await rig.answer()
    rig.progress(0.2)
    rig.log("a")
    await quiet()
    clock.advance(module.WRITE_EVERY_S - 0.01)
    await quiet()
    assert rig.kept == []
    clock.advance(0.01)
    report = await rig.answer()
    assert (report.fraction, len(report.lines)) == (0.2, 1)
    rig.log("b")
    await quiet()
    assert rig.kept == []
    clock.advance(module.WRITE_EVERY_S)
    report = await rig.answer()
    assert (report.at, [line.text for line in report.lines]) == (None, ["b"])


async def test_what_is_not_yet_written_goes_with_the_end(rig: Rig) -> None:
    rig.progress(0.1)
    first = await rig.written()  # it is on its way
    rig.progress(1.0)
    rig.log("done")
    (last,) = rig.ends()
    assert isinstance(last, Report)
    assert (last.fraction, last.goes_with_end, last.serial > first.serial) == (1.0, True, True)
    assert await rig.answer() is first
    rig.progress(0.5)  # a task or a thread that it has left behind
    rig.log("late")
    await quiet()
    assert rig.kept == []
    assert not rig.reports.open


async def test_an_attempt_whose_reports_are_all_written_has_nothing_to_go_with_its_end(rig: Rig) -> None:
    assert rig.reports.last_of(_complete(rig.run.claimed)) == ()
    rig.progress(0.1)
    await rig.answer()
    assert rig.ends() == ()
    assert not rig.reports.open


async def test_a_lost_attempt_reports_nothing_more(rig: Rig) -> None:
    rig.progress(0.1)
    await rig.answer(answer=False)
    rig.progress(0.2)
    await quiet()
    assert rig.kept == []
    assert rig.ends() == ()


async def test_the_end_of_another_attempt_of_the_job_takes_nothing(rig: Rig) -> None:
    rig.progress(0.1)
    late = _complete(rig.run.claimed)._replace(attempt=9)
    assert rig.reports.last_of(late) == ()
    assert list(rig.reports.open) == [7]


async def test_a_later_attempt_of_the_job_begins_anew(rig: Rig) -> None:
    rig.progress(0.1)
    await rig.answer()
    before = rig.run
    rig.run = rig.starts(7)
    rig.reports.progress(before.claimed, 0.5, None)  # it was taken from the runner, and goes on
    rig.progress(0.2)
    assert (await rig.written()).fraction == 0.2


async def test_what_the_store_rejects_is_logged_and_dropped(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.log("a")
    await rig.answer(error=StoreRejected("no"))
    assert "what a job 7 reports cannot be stored" in caplog.text
    assert rig.ends() == ()


async def test_only_the_newest_lines_wait_and_the_others_are_counted(rig: Rig) -> None:
    for number in range(MOST_LOG_LINES + 5):
        rig.log(str(number))
    report = await rig.answer()
    assert (len(report.lines), report.lines[0].text, report.dropped) == (MOST_LOG_LINES, "5", 5)
    rig.log("last")
    (last,) = rig.ends()
    assert isinstance(last, Report)
    assert (len(last.lines), last.dropped) == (1, 0)


async def test_a_thread_reports_as_well(rig: Rig) -> None:
    def work() -> None:
        for number in range(1_000):
            rig.progress(number / 1_000)
            rig.log(str(number))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    first = await rig.answer()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    later = [unit for unit, _ in rig.kept]  # on a slow machine
    reports = [first, *(report for unit in (*later, rig.ends()) for report in unit if isinstance(report, Report))]
    assert sum(len(report.lines) + report.dropped for report in reports) == 4_000
    assert reports[-1].fraction == 0.999


async def test_a_handler_that_only_reports_gives_the_event_loop_its_turns(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "YIELD_EVERY_S", 9.0)
    assert [rig.progress(0.1) for _ in range(3)] == [True, False, False]
    monkeypatch.setattr(module, "YIELD_EVERY_S", 0.0)
    rig.run = rig.starts(8)
    assert [rig.progress(0.1) for _ in range(3)] == [True, True, True]


async def test_after_the_close_nothing_is_taken_or_written(rig: Rig) -> None:
    rig.progress(0.1)
    await rig.answer()
    rig.progress(0.2)
    rig.reports.close()
    rig.progress(0.3)
    rig.run = rig.starts(8)
    rig.progress(0.4)
    await quiet()
    assert rig.kept == []
    assert list(rig.reports.open) == [7]
    rig.reports.close()


def test_a_thread_that_outlives_the_event_loop_is_not_hurt() -> None:
    async def made() -> Rig:
        return Rig()

    rig: Any = asyncio.run(made())
    rig.progress(0.1)
    rig.log("x")
    assert rig.kept == []  # nothing can be written any more

"""Priorities rise as time passes, in steps, and only where a runner is to raise them."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.engine import ageing as module
from aiojobs_lite.engine.ageing import Ageing
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going
from tests.helpers.waiting import quiet, until


class Commits:
    """Answers each write as the test says."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.writes: list[Any] = []

    async def write(self, write: Any) -> int:
        self.writes.append(write)
        return self.answers.pop(0) if self.answers else 0


async def test_it_looks_from_time_to_time_until_no_more_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RAISED", 2)
    clock, commits = FakeClock(), Commits(2, 2, 1)
    part: Any = Ageing(clock=clock, commits=commits, age=40.0)  # type: ignore[arg-type]  # no more is needed
    async with going(part.run):
        await quiet()
        clock.advance(9)
        await quiet()
        assert commits.writes == []
        clock.advance(1)
        await until(lambda: len(commits.writes) == 3)
        now = clock.now()
        assert commits.writes[0] == RaisePriorities(now - 40_000_000, now - 80_000_000, 2)


async def test_without_an_age_nothing_is_written() -> None:
    clock, commits = FakeClock(), Commits()
    part: Any = Ageing(clock=clock, commits=commits, age=None)  # type: ignore[arg-type]  # no more is needed
    async with going(part.run):
        await quiet()
        clock.advance(3_600)
        await quiet()
    assert commits.writes == []


async def test_a_low_priority_does_not_starve_in_a_runner(job_kit: JobKit) -> None:
    ran = list[str]()
    runner = JobRunner(":memory:", max_running=1, ageing="1m")

    @runner.job
    async def notes(name: str) -> None:
        ran.append(name)

    async with job_kit(runner):
        await runner.types.pause("notes")
        await runner.enqueue(notes.using(priority="low"), "old")
        for _ in range(12):
            await job_kit.advance("15s")
        await runner.enqueue(notes.using(priority="high"), "new")
        await runner.types.resume("notes")
        await runner.run_until_idle()
    assert ran == ["old", "new"]


@pytest.mark.parametrize("bad", [0, -1, "x", True, "0.5s", float("nan"), []])
def test_an_age_that_cannot_work_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^ageing="):
        JobRunner(ageing=bad)

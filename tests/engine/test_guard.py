"""What keeps the parts running: each fault is logged once, and once that it is over."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.engine import guard as module
from aiojobs_lite.engine.change_watcher import ChangeWatcher
from aiojobs_lite.engine.guard import Keeper
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.errors import RunnerClosed, StoreUnavailable
from tests.helpers.engine import going
from tests.helpers.waiting import until

GONE = StoreUnavailable("REPLACED", "jobs.db was deleted")
FULL = StoreUnavailable("SQLITE_FULL", "disk full")


class FailingPart:
    """A part that ends with one error after the other, then runs."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.Event().wait()


@pytest.fixture
def progress() -> Progress:
    return Progress()


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch, progress: Progress) -> Keeper:
    monkeypatch.setattr(module, "RESTART_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "PROVEN_S", 0.05)
    return Keeper(progress)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_fault_of_the_store_is_one_line_and_its_end_another(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [FailingPart(*[GONE] * 20), FailingPart(*[GONE] * 10)]
    async with going(*[lambda part=part: keeper.keep_running(part) for part in parts]):
        await until(lambda: len(lines(caplog)) == 2)
        assert [part.runs for part in parts] == [21, 11]
    fault, over = lines(caplog)
    assert fault.startswith("the database cannot be used now (REPLACED: jobs.db was deleted): until it can, ")
    assert "Repeat the call" not in fault
    assert "Part" not in fault  # no class of the library says anything to a user
    assert over.startswith("the database can be used again, after at least 0.")


async def test_another_fault_meanwhile_is_a_line_of_its_own_and_a_later_one_again(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    part = FailingPart(GONE, FULL, GONE, FULL)
    async with going(lambda: keeper.keep_running(part)):
        await until(lambda: len(lines(caplog)) == 3)
    part.errors = [GONE]
    async with going(lambda: keeper.keep_running(part)):
        await until(lambda: len(lines(caplog)) == 5)
    codes = [line.partition("(")[2].partition(":")[0] for line in lines(caplog)]
    assert codes == ["REPLACED", "SQLITE_FULL", "", "REPLACED", ""]


async def test_a_defect_that_goes_on_is_logged_once(keeper: Keeper, caplog: pytest.LogCaptureFixture) -> None:
    part = FailingPart(*[LookupError("one")] * 20, *[ValueError("two")] * 20)
    async with going(lambda: keeper.keep_running(part)):
        await until(lambda: part.runs == 41)
    assert len(lines(caplog)) == 2
    assert all("please report it" in line for line in lines(caplog))
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [LookupError, ValueError]


async def test_a_defect_that_comes_back_later_is_logged_again(keeper: Keeper, caplog: pytest.LogCaptureFixture) -> None:
    part = FailingPart(LookupError("one"))
    for runs in (2, 4):
        async with going(lambda: keeper.keep_running(part)):
            await until(lambda runs=runs: part.runs == runs)  # type: ignore[misc]  # bound at once
            await until(lambda: not keeper._defects)  # noqa: SLF001  # nothing says that a part was proven
        part.errors = [LookupError("one")]
    assert len(lines(caplog)) == 2


async def test_a_file_that_is_gone_is_two_lines_of_an_idle_runner(
    database: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTART_PAUSE_S", 0.001)
    runs, working = [0], ChangeWatcher.run

    async def counted(self: ChangeWatcher) -> None:
        runs[0] += 1
        await working(self)

    monkeypatch.setattr(ChangeWatcher, "run", counted)
    async with JobRunner(database) as runner:
        await runner.jobs.list()
        database.rename(database.with_suffix(".away"))
        await until(lambda: runs[0] > 10, look_every=0.01)
        database.with_suffix(".away").rename(database)
    assert len([line for line in lines(caplog) if "cannot be used now" in line]) == 1


@pytest.mark.parametrize("error", [GONE, RunnerClosed()])
async def test_nothing_is_said_of_what_the_end_of_the_runner_brings(
    keeper: Keeper, progress: Progress, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    progress.go_on_to(Phase.CLOSED)
    part = FailingPart(error)
    async with going(lambda: keeper.keep_running(part)):
        await until(lambda: part.runs == 2)
    assert lines(caplog) == []

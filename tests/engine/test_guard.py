"""What is around each part that runs: a fault restarts it, and is logged once a fault."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import guard
from aiojobs_lite.engine.guard import keep_running
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.errors import RunnerClosed, StoreUnavailable
from tests.helpers.engine import going, turns
from tests.helpers.waiting import PATIENCE, until


class Ticking:
    """A part that ends with each of these errors in turn (None: it returns), and then runs on."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.starts = 0
        self.is_ended = False

    async def run(self) -> None:
        self.starts += 1
        if self.ends:
            error = self.ends.pop(0)
            if error is not None:
                raise error
            return
        try:
            await asyncio.Event().wait()
        finally:
            self.is_ended = True


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; each is over at once."""
    made: list[float] = []

    async def note(seconds: float) -> None:
        made.append(seconds)
        await turns(1)

    monkeypatch.setattr(guard, "asyncio", SimpleNamespace(sleep=note))
    return made


def kept(part: Ticking, progress: Progress | None = None) -> Callable[[], asyncio.Future[None]]:
    return lambda: asyncio.ensure_future(keep_running(part, progress or Progress()))


@pytest.mark.parametrize("end", [ValueError("x"), StoreUnavailable("SQLITE_BUSY", "locked"), RunnerClosed(), None])
async def test_a_part_that_ends_is_started_again_after_a_pause(end: BaseException | None, pauses: list[float]) -> None:
    part = Ticking(end, end)
    async with asyncio.timeout(PATIENCE), going(kept(part)):
        await until(lambda: part.starts == 3)
        assert pauses == [1.0, 1.0]


async def test_a_defect_is_logged_with_its_traceback_and_a_store_that_is_away_in_one_line(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    part = Ticking(StoreUnavailable("SQLITE_BUSY", "locked"), ZeroDivisionError("by none"))
    async with asyncio.timeout(PATIENCE), going(kept(part)):
        await until(lambda: part.starts == 3)
    away, defect = (record for record in caplog.records if record.name == "aiojobs_lite.engine")
    assert (away.levelno, away.exc_info) == (logging.WARNING, None)
    assert away.getMessage().startswith("Ticking: ")
    assert (defect.levelno, defect.getMessage()) == (
        logging.ERROR,
        "Ticking failed and is started again; please report it",
    )
    assert defect.exc_info is not None
    assert defect.exc_info[0] is ZeroDivisionError


async def test_of_an_engine_that_is_closed_no_refusal_is_logged(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress()
    progress.go_on_to(Phase.CLOSED)
    part = Ticking(RunnerClosed(), StoreUnavailable("SQLITE_BUSY", "locked"))
    async with asyncio.timeout(PATIENCE), going(kept(part, progress)):
        await until(lambda: part.starts == 3)
    assert [record for record in caplog.records if record.name.startswith("aiojobs_lite")] == []


async def test_a_cancel_ends_the_part_for_good() -> None:
    part = Ticking()
    task = asyncio.create_task(keep_running(part, Progress()))
    await until(lambda: part.starts == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert part.is_ended
    assert part.starts == 1

"""Ends are counted for a moment, and written together, by the hour."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from aiojobs_lite.engine.figures import FIGURES_EVERY_S, FigureCounter
from aiojobs_lite.engine.ports import Done
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.figures import HOUR, AddFigures, hour_of
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.waiting import quiet

START = datetime(2026, 1, 1, 12, 59, 59, tzinfo=UTC)
LOST = Again(1, 1, "me", "b", Outcome.LOST, 0)


class Rig:
    """A counter whose committer the test plays."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.kept: list[tuple[AddFigures, Done]] = []
        self.settled = 0
        self.fault: StoreUnavailable | None = None
        self.counter = FigureCounter(commits=self, clock=self.clock)  # type: ignore[arg-type]  # it needs no more

    @property
    def instant(self) -> int:
        return self.clock.now()

    def keep(self, unit: Unit, done: Done) -> None:
        (write,) = unit
        assert isinstance(write, AddFigures)
        self.kept.append((write, done))

    async def settle(self) -> None:
        self.settled += 1
        if self.fault is not None:
            raise self.fault
        for write, done in self.kept:
            done((write,), None, None)

    @property
    def counted(self) -> list[dict[tuple[str, str], int]]:
        """Of each write how many attempts it has, by type and outcome."""
        return [{(one.type, one.outcome.value): one.attempts for one in write.ends} for write, _ in self.kept]


async def test_the_ends_of_a_moment_are_written_together() -> None:
    rig = Rig()
    for _ in range(3):
        rig.counter.completed("a", 0.5)
    rig.counter.ended(LOST, None)
    assert rig.kept == []
    rig.clock.advance(FIGURES_EVERY_S)
    assert rig.counted == [{("a", "succeeded"): 3, ("b", "lost"): 1}]
    rig.clock.advance(60)
    assert len(rig.kept) == 1  # nothing has ended since


async def test_each_hour_is_written_by_itself_also_when_the_clock_is_set() -> None:
    rig = Rig()
    hour = hour_of(rig.instant)
    rig.counter.completed("a", 0.5)
    rig.clock.advance(FIGURES_EVERY_S / 2)
    rig.counter.completed("a", 0.5)
    rig.clock._now += 3 * HOUR  # noqa: SLF001  # as a clock that is set: no timer rings
    rig.counter.completed("a", 0.5)
    rig.clock._now -= 7 * HOUR  # noqa: SLF001  # the same
    rig.counter.ended(LOST, None)
    rig.clock.advance(4 * 3600)
    written = [(write.hour - hour, sum(one.attempts for one in write.ends)) for write, _ in rig.kept]
    assert written == [(0, 2), (3 * HOUR, 1), (-4 * HOUR, 1)]


async def test_in_a_drain_each_end_is_written_in_the_next_turn() -> None:
    rig = Rig()
    rig.counter.completed("a", 0.5)
    rig.counter.drain()
    assert rig.counted == [{("a", "succeeded"): 1}]
    rig.counter.completed("a", 0.5)
    rig.counter.ended(LOST, None)
    await quiet()
    assert rig.counted[1:] == [{("a", "succeeded"): 1, ("b", "lost"): 1}]


async def test_a_reader_has_what_is_gathered_written_first() -> None:
    rig = Rig()
    await rig.counter.settle()
    assert (rig.settled, rig.kept) == (0, [])  # there is nothing to be written
    rig.counter.completed("a", 0.5)
    await rig.counter.settle()
    assert rig.settled == 1
    rig.kept.clear()
    await rig.counter.settle()
    assert (rig.settled, rig.kept) == (1, [])


async def test_a_reader_does_not_wait_for_a_store_that_cannot_be_written() -> None:
    rig = Rig()
    rig.fault = StoreUnavailable("SQLITE_BUSY", "locked")
    rig.counter.completed("a", 0.5)
    await rig.counter.settle()
    assert rig.counted == [{("a", "succeeded"): 1}]  # it is kept until it is saved


async def test_figures_that_a_store_rejects_are_lost_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.counter.completed("a", 0.5)
    rig.counter.write()
    ((write, done),) = rig.kept
    with caplog.at_level(logging.ERROR):
        done((write,), None, StoreRejected("it has a surrogate in it"))
    assert "figures of attempts that ended could not be saved, and are lost: " in caplog.text
    await rig.counter.settle()
    assert rig.settled == 0

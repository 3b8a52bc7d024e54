"""Moves back what was written while the wall clock was ahead, when it was set right."""

from __future__ import annotations

import asyncio
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Clock
from aiojobs_lite.engine.ports import Commits, TickCorrections
from aiojobs_lite.model.ahead import ListAhead, ListEndedAhead, MoveBack, MovedBack
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobsMovedBack

LOOK_AGAIN_S: Final = 5.0  # after a look, that the next one takes in what was being written meanwhile
AHEAD_PAGE: Final = 500  # jobs a read, and a transaction at most


class ClockCorrector:
    """Looks for jobs and ticks that a clock has written that was ahead, and moves them back: at the start, after each
    jump of the clock, and each time once more. In between it does nothing.

    Args:
        store: Where to look.
        clock: The time.
        bus: Gets a fact if jobs were moved.
        commits: Makes the moves durable.
        ticks: Knows the schedules whose stored tick is to be moved.
    """

    def __init__(self, *, store: Store, clock: Clock, bus: Bus, commits: Commits, ticks: TickCorrections) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._commits = commits
        self._ticks = ticks
        self._jumped = asyncio.Event()

    def clock_jumped(self) -> None:
        """Looks again."""
        self._jumped.set()

    async def run(self) -> None:
        """Looks, until it is cancelled. Sleeps by the event loop's own clock, as what notices the jumps."""
        is_again = False
        while True:
            self._jumped.clear()
            await self.correct()
            is_again = await self._wait(None if is_again else LOOK_AGAIN_S)

    async def correct(self) -> None:
        """Looks once, some jobs at a time."""
        await self._ticks.correct()  # first: they are few, and each missed one is a job
        now = self._clock.now()
        moved = _sum(await self._correct_pending(now), await self._correct_finished(now))
        if moved.jobs and self._bus.is_watched(JobsMovedBack):
            self._bus.publish(JobsMovedBack(moved.jobs, moved.longest / MICROSECONDS))

    async def _correct_pending(self, now: int) -> MovedBack:
        moved, after = MovedBack(), None
        while True:
            ids, after, has_starts = await self._store.ask(ListAhead(now, AHEAD_PAGE, after))
            if ids or has_starts:
                moved = _sum(moved, await self._commits.write(MoveBack(ids)))
            if after is None:
                return moved

    async def _correct_finished(self, now: int) -> MovedBack:
        moved = MovedBack()
        while True:
            latest = await self._move(await self._store.ask(ListEndedAhead(now, AHEAD_PAGE)))
            moved = _sum(moved, latest)
            if latest.jobs < AHEAD_PAGE:
                return moved

    async def _move(self, ids: tuple[int, ...]) -> MovedBack:
        return await self._commits.write(MoveBack(ids)) if ids else MovedBack()

    async def _wait(self, timeout: float | None) -> bool:
        """Waits for a jump; returns whether there was none in time."""
        try:
            async with asyncio.timeout(timeout):
                await self._jumped.wait()
        except TimeoutError:
            return True
        return False


def _sum(one: MovedBack, other: MovedBack) -> MovedBack:
    return MovedBack(one.jobs + other.jobs, max(one.longest, other.longest))

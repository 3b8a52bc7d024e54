"""A ticker whose writes are answered by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiojobs_lite import CronSchedule, JobContext, injected, job
from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.engine.ticker import Ticker
from aiojobs_lite.errors import StoreError
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.schedules import FireTick, ScheduleAnswer, TickAnswer
from aiojobs_lite.policy.catch_up import CatchUp, Overlap, Schedule
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import Fact
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going, published_on
from tests.helpers.instants import START
from tests.helpers.memory_rows import Rows
from tests.helpers.memory_schedules import READS
from tests.helpers.waiting import PATIENCE, quiet, until

MINUTE = timedelta(minutes=1)


def schedule(
    name: str = "report", expression: str = "* * * * *", catch_up: CatchUp = "latest", overlap: Overlap = "skip"
) -> Schedule:
    return Schedule(name, CronSchedule(expression), catch_up, overlap)


def registered(*schedules: Schedule) -> Registry:
    """A registry with a job type for each schedule."""
    registry = Registry()
    for one in schedules:

        @job(name=one.name)
        async def handler(ctx: JobContext = injected) -> None: ...

        registry.add(handler)
    return registry


class Rig:
    """A ticker whose writes are answered by the test: `fired` unless it says otherwise."""

    def __init__(self, clock: FakeClock, *schedules: Schedule) -> None:
        self.bus = Bus()
        self.published: Callable[[], list[Fact]] = published_on(self.bus)
        self.metrics = Metrics()
        self.ticks: list[FireTick] = []
        self.answers: list[TickAnswer | StoreError] = []
        self.rows = Rows()  # has no stored schedules
        self.wakes = 0
        self.faults_of_reads: list[StoreError] = []
        self.ticker = Ticker(
            schedules=schedules, registry=registered(*schedules), store=self,  # type: ignore[arg-type]  # no more of it
            clock=clock, commits=self, bus=self.bus, metrics=self.metrics,
        )  # fmt: skip

    async def write(self, write: Any) -> Any:
        answer = self.answers.pop(0) if self.answers else TickAnswer("fired", len(self.ticks) + 1)
        await asyncio.sleep(0)
        if isinstance(answer, StoreError):
            raise answer
        self.ticks.append(write)
        return answer

    def keep(self, *_: object) -> None:
        raise NotImplementedError

    async def settle(self) -> None:
        raise NotImplementedError

    async def ask(self, query: Any) -> Any:
        await asyncio.sleep(0)
        if self.faults_of_reads:
            raise self.faults_of_reads.pop(0)
        return READS[type(query)](self.rows, query)

    def wake(self) -> None:
        self.wakes += 1

    def minutes(self, name: str | None = None) -> list[float]:
        """The instants of the ticks that were written, of one schedule or of all, in minutes after the start."""
        ticks = [tick.tick for tick in self.ticks if name in {None, tick.schedule}]
        return [(to_datetime(tick) - START) / MINUTE for tick in ticks]


@asynccontextmanager
async def ticking(clock: FakeClock, *schedules: Schedule, stored: float | None = None) -> AsyncIterator[Rig]:
    """A running ticker; `stored`: the next tick of each in the store, in minutes after the start."""
    rig = Rig(clock, *schedules)
    first = [write.next_tick for write in rig.ticker.first(clock.now())]
    rig.ticker.begin([ScheduleAnswer(tick if stored is None else to_micros(START + stored * MINUTE)) for tick in first])
    async with asyncio.timeout(PATIENCE), going(rig.ticker.run):
        await quiet()
        yield rig


async def written(rig: Rig, count: int) -> None:
    await until(lambda: len(rig.ticks) == count)
    await quiet()
    assert len(rig.ticks) == count

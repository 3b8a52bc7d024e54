"""Runners with a job type that notes what its jobs were given, and time that passes a minute at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiojobs_lite import JobContext, JobRunner, injected, job
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.instants import START
from tests.helpers.ticker import MINUTE
from tests.helpers.waiting import PATIENCE


class Reports:
    """A job type whose jobs note what they were given, and the minute of their tick."""

    def __init__(self, **options: Any) -> None:
        self.ran: list[tuple[int, float | None]] = []

        @job(**options)
        async def report(org_id: int, *, ctx: JobContext = injected) -> int:
            self.ran.append((org_id, None if ctx.tick is None else (ctx.tick - START) / MINUTE))
            return org_id

        self.type: Any = report

    @property
    def minutes(self) -> list[float | None]:
        return [minute for _, minute in self.ran]


@asynccontextmanager
async def running(database: Any, clock: FakeClock, *jobs: Any, count: int = 1) -> AsyncIterator[list[JobRunner]]:
    """Some runners of one database."""
    runners = [JobRunner(database, jobs=jobs, clock=clock, drain_timeout=0, cancel_grace=0) for _ in range(count)]
    async with asyncio.timeout(PATIENCE):
        for runner in runners:
            await runner.__aenter__()
        try:
            yield runners
        finally:
            for runner in runners:
                await runner.stop()


async def minutes_pass(clock: FakeClock, runners: list[JobRunner], minutes: int) -> None:
    for _ in range(minutes):
        clock.advance("1m")
        for _ in range(2):
            for runner in runners:
                await runner.run_until_idle()

"""Handlers that run by the clock: time zones, a look ahead, ticks that overlap, and ticks missed while nothing ran.

    python examples/cron.py

It takes some seconds, for what it runs ticks each second.
"""

import asyncio
import logging
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from aiojobs_lite import CronSchedule, JobContext, JobRunner, injected

FOLDER = tempfile.TemporaryDirectory()
EACH_SECOND = "* * * * * *"  # six fields, the first are the seconds
runner = JobRunner(Path(FOLDER.name, "jobs.db"))
beats = asyncio.Semaphore(0)
entries: list[datetime] = []


@runner.cron("0 9 * * mon-fri", tz="Europe/London")
async def digest(ctx: JobContext = injected) -> None:
    tell(ctx)


@runner.cron(EACH_SECOND, overlap="skip")
async def slow(ctx: JobContext = injected) -> None:
    """It takes longer than a tick: the ticks that come meanwhile are skipped."""
    tell(ctx)
    await asyncio.sleep(1.5)


@runner.cron(EACH_SECOND)
async def beat(ctx: JobContext = injected) -> None:
    """Of the ticks that were missed the latest is run, if it is at most a day late: the default."""
    tell(ctx)
    beats.release()


@runner.cron(EACH_SECOND, catch_up="all", overlap="queue")
async def ledger(ctx: JobContext = injected) -> None:
    """Every tick is run, late or not."""
    entries.append(tell(ctx))


def tell(ctx: JobContext) -> datetime:
    assert ctx.tick is not None  # it is None for jobs that were enqueued
    print(f"   {ctx.type} ran for {ctx.tick:%H:%M:%S}")
    return ctx.tick


def look_ahead() -> None:
    print("1. Working days at nine in London; the next three:")
    for tick in runner.schedules.preview("digest", 3):
        print(f"   {tick:%a %d %b %Y %H:%M} UTC")

    print("2. Daily at half past one in London; in the night that has this time twice it counts once:")
    nightly = CronSchedule("30 1 * * *", tz="Europe/London")
    for tick in nightly.upcoming(datetime(2026, 10, 24, 12, tzinfo=UTC), 2):
        print(f"   {tick.astimezone(ZoneInfo('Europe/London')):%a %d %b %Y %H:%M %Z}")


async def run_for(count: int) -> None:
    async with runner:
        for _ in range(count):
            await beats.acquire()


async def main() -> None:
    look_ahead()

    print("3. Each second; slow is still at it when its next tick comes:")
    await run_for(2)
    print(f"   skipped so far: {runner.stats().skipped_ticks}")

    print("4. Started again a little later: beat makes up for the latest tick that was missed, ledger for all of them:")
    await asyncio.sleep(1)  # the application is down
    await run_for(2)
    if any(later - earlier != timedelta(seconds=1) for earlier, later in pairwise(sorted(entries))):
        raise RuntimeError(f"the ledger has gaps: {entries}")
    print(f"   ledger has {len(entries)} ticks in a row, none is missing")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="   log: %(message)s")
    with FOLDER:
        asyncio.run(main())

"""A runner in a process of its own whose time is tampered with: a schedule that ticks every second, jobs that wait.

Usage: ticking.py DATABASE CATCH_UP. Orders: `move SECONDS` sets its wall clock ahead of the machine's by so many;
`enqueue TYPE NAME DELAY`; `stats`; `leave`. It says `tick INSTANT`, `ran NAME ATTEMPT`, and what it was asked to do.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

from aiojobs_lite import Backoff, JobContext, JobRunner, injected, job
from aiojobs_lite.policy.catch_up import CatchUp
from tests.helpers.apps.common import Orders, say, show_log
from tests.helpers.waiting import MovedClock

ORDERS = Orders()


@job
async def quick(name: str, *, ctx: JobContext = injected) -> None:
    say("ran", name, ctx.attempt)


@job(backoff=Backoff(base=0.2))
async def fails_twice(name: str, *, ctx: JobContext = injected) -> None:
    say("ran", name, ctx.attempt)
    if ctx.attempt < 3:
        raise ValueError(name)


@job(timeout="10m")
async def held(name: str, *, ctx: JobContext = injected) -> None:
    say("ran", name, ctx.attempt)
    await ORDERS.go.wait()


@job(timeout="1s", backoff=Backoff(base=0.01))
async def timed(name: str, *, ctx: JobContext = injected) -> None:
    say("ran", name, ctx.attempt)
    if ctx.attempt == 1:
        await asyncio.Event().wait()


JOBS = (quick, fails_twice, held, timed)


async def main(database: str, catch_up: CatchUp) -> None:
    ORDERS.watch()
    clock = MovedClock()
    runner = JobRunner(database, jobs=JOBS, clock=clock)

    @runner.cron("* * * * * *", catch_up=catch_up, overlap="queue")  # on a machine that stalls as well
    async def tick(ctx: JobContext = injected) -> None:
        assert ctx.tick is not None
        say("tick", int(ctx.tick.timestamp()))

    async with runner:
        say("ready")
        while (order := await ORDERS.next()) != ["leave"]:
            await obey(runner, clock, order)
            say(*order, "done")


async def obey(runner: JobRunner, clock: MovedClock, order: list[str]) -> None:
    match order:
        case ["move", seconds]:
            clock.offset = float(seconds)
        case ["enqueue", job_type, name, delay]:
            (which,) = (known for known in JOBS if known.name == job_type)
            await runner.enqueue(which.using(delay=float(delay)), name)
        case ["stats"]:
            stats = runner.stats()
            shown = [stats.oldest_due_age, stats.throughput, stats.loop_lag]
            say("found", json.dumps(shown, separators=(",", ":")))
        case _:
            raise ValueError(order)


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1], cast("CatchUp", sys.argv[2])))

"""A runner in a process of its own, with jobs that the test holds up and lets go on.

Usage: worker.py DATABASE STYLE OPTIONS, where OPTIONS is a JSON object of options of `JobRunner`, and STYLE one of:
`orders`: runs until the order `leave`. `forever`: `run_forever`. `chained`: as `orders`, with a SIGTERM handler of its
own. `exits`: one that raises SystemExit. `both`: two runners, the second entered inside the first.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from types import FrameType
from typing import Any

from aiojobs_lite import JobContext, JobRunner, injected, job
from tests.helpers.apps.common import Orders, say, show_log
from tests.helpers.pauses import work_for

ORDERS = Orders()


@job
async def quick() -> int:
    say("quick", os.getpid())
    return os.getpid()


@job
async def held(ctx: JobContext = injected) -> int:
    say("started", ctx.id, ctx.attempt)
    if ctx.attempt == 1:
        await ORDERS.go.wait()
    say("ended", ctx.id, ctx.attempt)
    return os.getpid()


@job
async def answered(number: int, ctx: JobContext = injected) -> int:
    await ctx.wait_for_event("go", "scene/go", match={"number": number})
    return number


@job
async def reporting(ctx: JobContext = injected) -> int:
    await ctx.progress(ctx.attempt / 4, "held")
    ctx.log(f"attempt {ctx.attempt}")
    if ctx.attempt == 1:
        await ORDERS.go.wait()
    return os.getpid()


@job
async def endless(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    try:
        await asyncio.Event().wait()
    finally:
        say("stopped", ctx.id, ctx.attempt)


@job
async def slow_to_stop(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    try:
        await asyncio.Event().wait()
    finally:
        say("stopping", ctx.id, ctx.attempt)
        await asyncio.Event().wait()


@job
async def blocking(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    ORDERS.free.wait()  # the whole event loop, on purpose
    say("ended", ctx.id, ctx.attempt)


@job
async def swallowing(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            say("swallowed", ctx.id, ctx.attempt)


@job
def threaded(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    ORDERS.free.wait()


@job(timeout="0.1s")
def deaf(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    ORDERS.free.wait()  # it does not look at `ctx.stopping`


@job(concurrency=10)
async def two_seconds(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    await work_for(2)
    say("ended", ctx.id, ctx.attempt)


@job(concurrency=1)
async def alone(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    await ORDERS.go.wait()


@job(max_attempts=10)
async def kills_its_process(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@job(max_attempts=1)
async def kills_its_process_once(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@job(max_attempts=1)
async def kills_its_process_behind_a_step(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    await ctx.step("pid", os.getpid)
    os.kill(os.getpid(), signal.SIGKILL)


@job
async def brief() -> None:
    say("brief", os.getpid())
    await work_for(0.02)


@job
async def note_batch(batch_id: int) -> None:
    say("batch", batch_id)


JOBS = (
    quick, brief, note_batch, held, endless, slow_to_stop, blocking, swallowing, threaded, deaf, two_seconds, alone,
    kills_its_process, kills_its_process_once, kills_its_process_behind_a_step, reporting, answered,
)  # fmt: skip


async def until_leave(runner: JobRunner, orders: Orders) -> None:
    """Runs until the order `leave`."""
    async with runner:
        say("ready")
        while (order := await orders.next()) != ["leave"]:
            await obey(runner, order)


async def obey(runner: JobRunner, order: list[str]) -> None:
    match order:
        case ["open", path]:  # another database, as another runner of this process
            async with JobRunner(path, jobs=JOBS) as other:
                say("opened", await (await other.enqueue(quick)).result())
        case ["race", prefix, count]:
            for number in range(int(count)):
                handle = await runner.enqueue(held.using(idempotency_key=f"{prefix}{number}"))
                say("enqueued", f"{prefix}{number}", handle.id, handle.is_new)
            say("raced")
        case ["batch", count]:
            async with runner.batches.open(on_complete=note_batch) as batch:
                await batch.enqueue_many([quick.bind() for _ in range(int(count))])
                say("opened", batch.id)
                await ORDERS.go.wait()
        case ["enqueue", name]:
            say("enqueued", (await runner.enqueue_named(name)).id)
        case _:
            raise ValueError(order)


def mine(number: int, _frame: FrameType | None) -> None:
    say("mine", number)


def exits(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(7)


async def main(database: str, style: str, options: dict[str, Any]) -> None:
    ORDERS.watch()
    runner = JobRunner(database, jobs=JOBS, **options)
    if style in {"chained", "exits"}:
        signal.signal(signal.SIGTERM, mine if style == "chained" else exits)
    found = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        if style == "forever":
            await runner.run_forever()
        elif style == "both":
            async with runner:
                await until_leave(JobRunner(f"{database}-2", jobs=JOBS, **options), ORDERS)
        else:
            await until_leave(runner, ORDERS)
    finally:
        now = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        say("restored" if now == found else f"left behind: {now}")


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))

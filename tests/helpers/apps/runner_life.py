"""The small life of a runner: jobs that succeed, one that is tried again, a durable one with every kind of operation, a
tick, one that the drain interrupts.

What was acknowledged to it is noted by lines in a file outside of the database: `entered`, `enqueued KEY ID`,
`completed ID`, `ticked`, `left`. What its handlers do is noted in another: `begin ID ATTEMPT`, `end ID ATTEMPT`,
`ran STEP ID`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiojobs_lite import Clock, JobContext, JobHandle, JobRunner, StoreUnavailable, SystemClock, injected, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.stores.base import Durability
from tests.helpers.apps.common import note
from tests.helpers.apps.store_life import opened
from tests.helpers.pauses import pause
from tests.helpers.waiting import PATIENCE

T = TypeVar("T")
MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)
_BEFORE = 0.03  # seconds from the start of the clock to midnight


@dataclass
class Stage:
    """What the handlers of one life share.

    Attributes:
        effects: Where they note what they do.
        is_last: Whether this life brings everything to its end.
        waits: Set when a handler waits to be interrupted.
        ticked: Set when the handler of the tick has run.
    """

    effects: Path
    is_last: bool = False
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    ticked: asyncio.Event = field(default_factory=asyncio.Event)


class Eve(SystemClock):
    """Stands still shortly before midnight until it is let go."""

    def __init__(self) -> None:
        self._stood = to_micros(MIDNIGHT) - round(_BEFORE * 1e6)
        self._since: int | None = None

    def now(self) -> int:
        """The wall clock: microseconds since 1970 UTC."""
        return self._stood + (0 if self._since is None else (time.monotonic_ns() - self._since) // 1000)

    def go(self) -> None:
        """Lets it go."""
        self._since = time.monotonic_ns()


@job
async def steady(number: int, *, ctx: JobContext = injected, stage: Stage = injected) -> int:
    note(stage.effects, "begin", ctx.id, ctx.attempt)
    await asyncio.sleep(0)
    note(stage.effects, "end", ctx.id, ctx.attempt)
    return number


@job(backoff=Backoff(base="10ms", cap="10ms"))
async def shaky(ctx: JobContext = injected, stage: Stage = injected) -> None:
    note(stage.effects, "begin", ctx.id, ctx.attempt)
    if ctx.attempt == 1:
        raise ValueError("not yet")
    note(stage.effects, "end", ctx.id, ctx.attempt)


async def effect(effects: Path, step: str, job_id: int) -> str:
    """What a step does."""
    note(effects, "ran", step, job_id)
    return f"{step} of {job_id}"


@job(backoff=Backoff(base="10ms", cap="10ms"), max_attempts=20)  # a fault that lasts costs it an attempt for each write
async def durable(ctx: JobContext = injected, stage: Stage = injected) -> int:
    """Steps, an event that it sends itself and waits for, a child, a sleep."""
    note(stage.effects, "begin", ctx.id, ctx.attempt)
    steps = [await ctx.step("first", effect, stage.effects, "first", ctx.id)]
    steps += await asyncio.gather(*[ctx.step(name, effect, stage.effects, name, ctx.id) for name in ("left", "right")])
    assert steps == [f"{name} of {ctx.id}" for name in ("first", "left", "right")]
    await ctx.send("tell", "news", {"job": ctx.id})
    event = await ctx.wait_for_event("news", "news", match={"job": ctx.id}, timeout="1h")
    assert event is not None
    number = await ctx.invoke("child", steady, 3)
    await ctx.sleep("nap", "10ms")
    await ctx.step("last", effect, stage.effects, "last", ctx.id)
    note(stage.effects, "end", ctx.id, ctx.attempt)
    return number


STEPS = ("first", "left", "right", "last")


@job
async def patient(ctx: JobContext = injected, stage: Stage = injected) -> None:
    note(stage.effects, "begin", ctx.id, ctx.attempt)
    stage.waits.set()
    if not stage.is_last:
        await asyncio.Event().wait()
    note(stage.effects, "end", ctx.id, ctx.attempt)


def runner_on(database: Path, stage: Stage, clock: Clock, durability: Durability) -> JobRunner:
    """A runner that keeps what has ended, and fires once a year."""
    runner = JobRunner(
        database, jobs=[steady, shaky, durable, patient], deps={Stage: stage}, clock=clock, durability=durability,
        drain_timeout=0.01, keep_completed="100d",
    )  # fmt: skip

    @runner.cron("0 0 1 1 *")
    async def tick(ctx: JobContext = injected) -> None:
        note(stage.effects, "begin", ctx.id, ctx.attempt)
        assert ctx.tick == MIDNIGHT
        note(stage.effects, "end", ctx.id, ctx.attempt)
        stage.ticked.set()

    return runner


async def live(folder: Path, durability: Durability, gate: Callable[[str], None] = lambda _: None) -> None:
    """A whole life. A call that finds the store unavailable is repeated, as its error says."""
    acknowledge = partial(note, folder / "acknowledged")
    stage, clock = Stage(folder / "effects"), Eve()
    runner = runner_on(folder / "jobs.db", stage, clock, durability)
    gate("begin")
    await opened(runner.__aenter__)
    acknowledge("entered")
    gate("opened")
    clock.go()
    handles = await _enqueued(runner, acknowledge)
    async with asyncio.timeout(PATIENCE):
        await stage.waits.wait()
        for handle in handles:
            await handle.result()
            acknowledge("completed", handle.id)
        await stage.ticked.wait()
        acknowledge("ticked")
        await runner.__aexit__(None, None, None)
        acknowledge("left")


async def _enqueued(runner: JobRunner, acknowledge: Callable[..., None]) -> list[JobHandle[object]]:
    """Enqueues one by one, two at once, and many in one transaction; returns the handles of what will complete."""
    handles: list[JobHandle[object]] = []

    async def enqueue(key: str, call: Callable[[], Awaitable[JobHandle[object]]]) -> None:
        handle = await _repeated(call)
        acknowledge("enqueued", key, handle.id)
        if key != "patient":
            handles.append(handle)

    def one(key: str) -> Callable[[], Awaitable[JobHandle[object]]]:
        return partial(runner.enqueue, steady.using(idempotency_key=key), 1)

    await enqueue("one", one("one"))
    await enqueue("shaky", partial(runner.enqueue, shaky.using(idempotency_key="shaky")))
    await enqueue("durable", partial(runner.enqueue, durable.using(idempotency_key="durable")))
    await asyncio.gather(enqueue("two", one("two")), enqueue("three", one("three")))
    await enqueue("patient", partial(runner.enqueue, patient.using(idempotency_key="patient")))
    keys = [f"many{number}" for number in range(5)]
    many = [steady.using(idempotency_key=key).bind(2) for key in keys]
    for key, handle in zip(keys, await _repeated(partial(runner.enqueue_many, many)), strict=True):
        acknowledge("enqueued", key, handle.id)
        handles.append(handle)
    return handles


async def _repeated(call: Callable[[], Awaitable[T]]) -> T:
    """Calls until the store can be written."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await pause()

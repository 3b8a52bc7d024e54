"""Durable functions and their callers: steps, sleeps, events, children. What each operation gave is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiojobs_lite import JobContext, Jobs, JobType, injected, job
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.events import Event, On
from aiojobs_lite.steps import Step
from tests.chaos.operations import Operations
from tests.chaos.work import SHORT, Run, Version, Work, quick
from tests.helpers.pauses import work_for

ASKED, ANSWERED, CALLED, NEWS = "chaos/asked", "chaos/answered", "chaos/called", "chaos/news"
GONE = "chaos/gone"
NAMES: Final = (ASKED, ANSWERED, CALLED, NEWS, GONE)
_MANY: Final = 25  # attempts: more than a function needs between two operations
_HOWS: Final = ("at once", "later", "never")
_group = Jobs()


@job(backoff=SHORT, max_attempts=_MANY)
async def reacts(job_id: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Is started by each death of a job whose type names it."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("only", fails=0.2)
        await does.sleep("rest", work.chance.uniform(0.01, 0.3))
        return run.result


@job(backoff=SHORT, max_attempts=_MANY, on_dead=reacts)
async def in_turn(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Steps one after the other, some in a loop, some in a thread; the handler fails between them."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.remember()
        await does.step("first")
        await does.step("in a thread", 0.02, in_thread=True)
        for _ in range(3):
            await does.step("part", fails=0.3)
            does.falter(0.05)
        await does.sleep("rest", work.chance.uniform(0.01, 0.6))
        does.falter(0.2)
        await does.step("last", work.chance.uniform(0.0, 0.2))
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def side_by_side(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Branches that wait, fail and are tried again while others run, one of which is busy with something else."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)

        async def branch(number: int) -> None:
            await does.step(f"begin {number}", work.chance.uniform(0.0, 0.1), fails=0.3)
            await does.sleep(f"rest {number}", work.chance.uniform(0.01, 0.3))
            await does.step(f"end {number}", work.chance.uniform(0.0, 0.1), in_thread=number == 1)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(branch(number))
            group.create_task(work_for(work.chance.choice([0.0, 0.0, 0.8])))
        await asyncio.gather(*[does.step(f"more {number}", fails=0.2) for number in range(3)])
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def asks(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Sends events, and waits for others: for those that answer, and for one that its caller may send."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        for number in range(3):
            await does.send("ask", ASKED, job=ctx.id, number=number, how=work.chance.choice(_HOWS))
            await does.wait("answer", ANSWERED, work.chance.uniform(0.4, 1.5), job=ctx.id, number=number)
            does.falter(0.1)
        await does.wait("call", CALLED, work.chance.uniform(0.1, 1.5), job=ctx.id)
        await does.step("last")
        return run.result


@_group.on(ASKED, backoff=SHORT, max_attempts=_MANY)
async def answers(event: Event[dict[str, Any]], *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Answers, at once or later."""
    with Run(work.journal, ctx) as run:
        does, data = Operations(run, ctx, work), event.data
        if data["how"] == "later":
            await does.sleep("before", work.chance.uniform(0.1, 0.6))
        if data["how"] != "never":
            await does.send("answer", ANSWERED, job=data["job"], number=data["number"])
        return run.result


@_group.on("chaos/*", when=lambda event: bool(event.data["job"] % 2), backoff=SHORT)
async def listens(event: Event[dict[str, Any]], *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Is started by every event with an odd number."""
    with Run(work.journal, ctx) as run:
        await Operations(run, ctx, work).step("only")
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def nested(
    parent: int, place: str, depth: int, *, ctx: JobContext = injected, work: Work = injected
) -> str:  # fmt: skip
    """A child with a child, so deep."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("before", fails=0.2)
        if depth:
            await does.invoke(Step("deeper"), nested, depth - 1)
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def leaf(parent: int, place: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """A child with a step."""
    with Run(work.journal, ctx) as run:
        await Operations(run, ctx, work).step("only", work.chance.uniform(0.0, 0.2), fails=0.1)
        return run.result


@job(backoff=SHORT)
async def slow_leaf(parent: int, place: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """A child that takes longer than its parent waits."""
    with Run(work.journal, ctx) as run:
        await work_for(work.chance.uniform(0.0, 0.6))
        return run.result


@job(backoff=SHORT, max_attempts=2, on_dead=reacts)
async def doomed_leaf(parent: int, place: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """A child that dies."""
    with Run(work.journal, ctx) as run:
        await Operations(run, ctx, work).fail("hopeless")
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def invokes(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Children under each other, side by side, that die, that take too long."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("before", fails=0.2)
        await does.invoke(Step("child"), nested, 3)
        await does.gather("many", leaf, 5)
        await does.invoke(Step("doomed"), doomed_leaf)
        await does.invoke(Step("late", timeout=0.3), slow_leaf)
        does.falter(0.1)
        await does.step("after")
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def compensates(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """A step that fails for good, and another one that makes up for it."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("charge")
        try:
            await does.step("reserve", fails=1.0, most=3)
        except StepFailed:
            await does.step("refund", fails=0.3)
        does.falter(0.2)
        return run.result


@job(backoff=SHORT, max_attempts=_MANY)
async def enqueues(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Enqueues jobs once each, one after the other and side by side, and one more in each attempt that comes so far."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        for _ in range(3):
            await does.enqueue("one", leaf)
            does.falter(0.1)
        await work.enqueue(quick, by=ctx)
        await asyncio.gather(*[does.enqueue(f"beside {number}", leaf) for number in range(3)])
        await does.sleep("rest", work.chance.uniform(0.01, 0.3))
        does.falter(0.2)
        await does.enqueue("last", leaf)
        return run.result


@job(backoff=SHORT, max_attempts=_MANY, cancel_on=On(GONE, match="mark"))
async def stays(call: str, mark: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Is suspended again and again, until an event with its mark cancels it, or to its end."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        for _ in range(6):
            await does.step("part", work.chance.uniform(0.0, 0.1), fails=0.1)
            await does.sleep("rest", work.chance.uniform(0.05, 0.4))
        return run.result


@job(backoff=SHORT, max_attempts=2, on_dead=reacts)
async def falls(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    """Dies of a step that fails for good."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("first")
        await does.fail("hopeless")
        return run.result


async def _deployed(name: str, ctx: JobContext, work: Work) -> str:
    """One version has a step that the other one has not, before a sleep and behind it."""
    with Run(work.journal, ctx) as run:
        does = Operations(run, ctx, work)
        await does.step("first")
        await does.step(f"{name} before")
        await does.sleep("rest", work.chance.uniform(0.2, 2.0))
        await does.step(f"{name} behind")
        await does.step("last", fails=0.2)
        return run.result


@job(backoff=SHORT, max_attempts=_MANY, name="deployed")
async def deployed_old(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    return await _deployed("old", ctx, work)


@job(backoff=SHORT, max_attempts=_MANY, name="deployed")
async def deployed_new(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    return await _deployed("new", ctx, work)


_DEPLOYED: Final[dict[Version, JobType[..., str]]] = {"old": deployed_old, "new": deployed_new}
_CHILDREN: Final = (nested, leaf, slow_leaf, doomed_leaf)
_FUNCTIONS: Final = (in_turn, side_by_side, asks, invokes, compensates, falls, enqueues, stays, reacts)
LISTENERS: Final[dict[str, Callable[[str, dict[str, Any]], bool]]] = {
    answers.name: lambda name, _: name == ASKED,
    listens.name: lambda _, data: bool(data["job"] % 2),
}
"""The types that events start, and which events do."""

TYPES: Final = frozenset(one.name for one in (*_FUNCTIONS, *_CHILDREN, answers, listens, deployed_old))
"""The types of all durable functions, and their children."""

DOOMED: Final = frozenset({falls.name, doomed_leaf.name})
"""Those that die."""

MOURNED: Final = frozenset({falls.name, doomed_leaf.name, in_turn.name})
"""Those whose death starts a job of the type `reacts`."""


def jobs_of(version: Version) -> tuple[JobType[..., str], ...]:
    """The functions of a version."""
    return (*_FUNCTIONS, *_CHILDREN, *_group, _DEPLOYED[version])


# Callers.


async def _ask(work: Work) -> None:
    """A function, and perhaps an event for it: before, while or after it waits for it."""
    job_id = await work.enqueue(asks)
    if job_id is not None and work.chance.random() < 0.7:
        await work_for(work.chance.choice([0.0, 0.1, 0.5, 2.0]))
        await work.send(CALLED, {"job": job_id})


async def _tell(work: Work) -> None:
    """An event that the other processes send, too."""
    await work.send(NEWS, {"job": 1}, key=f"news {int(time.monotonic() * 4)}")


async def _leave(work: Work) -> None:
    """A function, and perhaps the event that cancels it, in whatever state it is."""
    mark = work.chance.randrange(10**9)
    if await work.enqueue(stays, mark) is not None and work.chance.random() < 0.7:
        await work_for(work.chance.uniform(0.0, 2.0))
        await work.send(GONE, {"job": mark, "mark": mark})


_Calls = tuple[tuple[int, Callable[[Work], Awaitable[object]]], ...]
CALLS: Final[_Calls] = (
    (6, lambda work: work.enqueue(in_turn)),
    (4, lambda work: work.enqueue(side_by_side)),
    (4, _ask),
    (3, lambda work: work.enqueue(invokes)),
    (2, lambda work: work.enqueue(compensates)),
    (2, lambda work: work.enqueue(falls)),
    (3, lambda work: work.enqueue(enqueues)),
    (3, _leave),
    (2, lambda work: work.enqueue(_DEPLOYED[work.version])),
    (2, _tell),
)

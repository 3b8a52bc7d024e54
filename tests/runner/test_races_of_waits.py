"""Branches of a durable handler that end beside one that waits: the handler goes on for them, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from aiojobs_lite import JobContext, JobRunner, Status, injected
from aiojobs_lite.testing import JobKit

Branch = Callable[[], Awaitable[object]]


async def gathered(wait: Branch, other: Branch) -> None:
    await asyncio.gather(wait(), other())


async def gathered_behind(wait: Branch, other: Branch) -> None:
    await asyncio.gather(asyncio.gather(other(), wait()), wait())


async def in_a_group(wait: Branch, other: Branch) -> None:
    async with asyncio.TaskGroup() as group:
        for branch in (other, wait):
            group.create_task(run_branch(branch))


async def in_an_anyio_group(wait: Branch, other: Branch) -> None:
    async with anyio.create_task_group() as group:
        for branch in (wait, other):
            group.start_soon(run_branch, branch)


async def in_a_race(wait: Branch, other: Branch) -> None:
    tasks = [asyncio.create_task(run_branch(branch)) for branch in (wait, other)]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for one in left:
        one.cancel()
    await asyncio.gather(*done)


async def run_branch(branch: Branch) -> None:
    await branch()


SHAPES = [gathered, gathered_behind, in_a_group, in_an_anyio_group, in_a_race]


@pytest.mark.parametrize("is_plain", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_step_that_fails_beside_a_wait_fails_the_handler(
    job_kit: JobKit, shape: Callable[[Branch, Branch], Awaitable[None]], *, is_plain: bool
) -> None:
    runner = JobRunner(":memory:")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    def fails_in_a_thread() -> None:
        raise ValueError("no")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        step = fails_in_a_thread if is_plain else fails
        await shape(lambda: ctx.wait_for_event("never", "never/comes"), lambda: ctx.step("fails", step))

    async with job_kit(runner):
        job_id = (await runner.enqueue(handler)).id
        await runner.run_until_idle()
        job = await runner.jobs.get(job_id)
        assert job.status is Status.DEAD
        assert "ValueError: no" in str(job.history[0].traceback)


@pytest.mark.parametrize("kind", ["step", "plain step", "sleep", "event"])
@pytest.mark.parametrize("is_first", [False, True])
async def test_the_first_of_two_branches_wins(job_kit: JobKit, kind: str, *, is_first: bool) -> None:
    runner = JobRunner(":memory:")

    async def short() -> None:
        await asyncio.sleep(0)

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        winner = {
            "step": lambda: ctx.step("wins", short),
            "plain step": lambda: ctx.step("wins", str),
            "sleep": lambda: ctx.sleep("wins", "50ms"),
            "event": lambda: ctx.wait_for_event("wins", "wins/comes"),
        }[kind]
        branches = {"loser": lambda: ctx.wait_for_event("loses", "never/comes"), "winner": winner}
        names = sorted(branches, reverse=is_first)
        tasks = [asyncio.create_task(run_branch(branches[name]), name=name) for name in names]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in left:
            one.cancel()
        return ", ".join(one.get_name() for one in done)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.run_until_idle()
        if kind == "event":
            await runner.send("wins/comes")
        await job_kit.advance("1m")
        assert await handle.result() == "winner"

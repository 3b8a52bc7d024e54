"""Many children of one parent: how often it is attempted while they end, one after the other."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from tests.helpers.waiting import until

CHILDREN = 60
MOST_ATTEMPTS = 20  # about 6 by chance, in whatever order they end


def stand_so(runner: JobRunner, ended: int) -> bool:
    """Whether so many children have ended, and the parent does not run."""
    stats = runner.stats()
    return stats.completed >= ended and stats.processing == CHILDREN - ended


@pytest.mark.parametrize("is_last_first", [False, True])
async def test_a_parent_is_not_attempted_at_the_end_of_each_child(is_last_first: bool) -> None:
    runner = JobRunner(":memory:", max_running=CHILDREN + 1)
    gates, attempts = [asyncio.Event() for _ in range(CHILDREN)], list[int]()

    @runner.job
    async def child(number: int) -> int:
        await gates[number].wait()
        return number

    @runner.job
    async def parent(ctx: JobContext = injected) -> int:
        attempts.append(ctx.id)
        return sum(await ctx.gather("children", [child.bind(number) for number in range(CHILDREN)]))

    async with runner:
        handle = await runner.enqueue(parent)
        await until(lambda: runner.stats().processing == CHILDREN)
        for ended, gate in enumerate(reversed(gates) if is_last_first else gates, start=1):
            gate.set()
            await until(partial(stand_so, runner, ended))
        assert await handle.result() == sum(range(CHILDREN))
    assert len(attempts) <= MOST_ATTEMPTS

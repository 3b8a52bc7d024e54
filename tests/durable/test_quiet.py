"""Which handlers count as waiting: all branches wait durably, whatever is built around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from aiojobs_lite.durable.quiet import find_ends
from tests.helpers.pauses import work_for
from tests.helpers.waiting import quiet

Wait = Callable[[], Awaitable[None]]
Handler = Callable[[Wait, Wait], Awaitable[object]]
"""Of a durable wait and of anything else that takes time."""


async def direct(wait: Wait, _: Wait) -> None:
    await wait()


async def nested(wait: Wait, busy: Wait) -> None:
    async def inner() -> None:
        async with contextlib.AsyncExitStack(), asyncio.timeout(60):
            await direct(wait, busy)

    await inner()


async def gathered(wait: Wait, _: Wait) -> None:
    await asyncio.gather(wait(), asyncio.gather(wait(), wait()))


async def in_a_task_group(wait: Wait, busy: Wait) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(gathered(wait, busy))
        group.create_task(direct(wait, busy))


async def in_an_anyio_task_group(wait: Wait, busy: Wait) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(direct, wait, busy)
        group.start_soon(in_a_task_group, wait, busy)


async def before_a_group_is_left(wait: Wait, busy: Wait) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(direct(wait, busy))
        await wait()


async def in_a_task_of_its_own(wait: Wait, busy: Wait) -> None:
    await asyncio.create_task(direct(wait, busy))


async def waited_for(wait: Wait, busy: Wait) -> None:
    await asyncio.wait([asyncio.create_task(direct(wait, busy)), asyncio.create_task(gathered(wait, busy))])


async def limited(wait: Wait, busy: Wait) -> None:
    async with asyncio.timeout(60):
        await direct(wait, busy)


async def as_it_completes(wait: Wait, busy: Wait) -> None:
    """Nor what this one waits for."""
    for one in asyncio.as_completed([direct(wait, busy), direct(wait, busy)]):
        await one


async def one_is_done(wait: Wait, _: Wait) -> None:
    await asyncio.gather(wait(), asyncio.sleep(0))


async def iterated(wait: Wait, _: Wait) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        yield 2

    async for _item in items():
        await wait()


async def a_thousand_side_by_side(wait: Wait, busy: Wait) -> None:
    """As many operations as a job may have."""
    await asyncio.gather(*[in_a_task_of_its_own(wait, busy) for _ in range(1_000)])


async def busy(_: Wait, busy: Wait) -> None:
    await busy()


async def busy_beside_a_wait(wait: Wait, busy: Wait) -> None:
    await asyncio.gather(wait(), busy())


async def busy_in_a_group(wait: Wait, busy: Wait) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(direct(wait, busy))
        group.create_task(direct(busy, busy))


async def busy_in_an_anyio_group(wait: Wait, busy: Wait) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(direct, wait, busy)
        group.start_soon(direct, busy, busy)


async def busy_beside_a_task(wait: Wait, busy: Wait) -> None:
    task = asyncio.create_task(direct(wait, busy))
    await busy()
    await task


async def asleep_beside_a_task(wait: Wait, busy: Wait) -> None:
    task = asyncio.create_task(direct(wait, busy))
    await work_for(60)
    await task


async def held_up_by_an_event(wait: Wait, busy: Wait) -> None:
    """What sets the event cannot be looked up."""
    event = asyncio.Event()
    await asyncio.gather(direct(wait, busy), event.wait())


async def gather_beside_a_fault(wait: Wait, busy: Wait) -> None:
    await asyncio.gather(wait(), busy())


async def gather_in_a_gather(wait: Wait, busy: Wait) -> None:
    await asyncio.gather(wait(), asyncio.gather(wait(), asyncio.gather(busy(), wait()), wait()))


async def group_beside_a_fault(wait: Wait, busy: Wait) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(direct(wait, busy))
        group.create_task(gather_beside_a_fault(wait, busy))


async def anyio_group_beside_a_fault(wait: Wait, busy: Wait) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(direct, wait, busy)
        group.start_soon(group_beside_a_fault, wait, busy)


async def first_of_two(wait: Wait, busy: Wait) -> None:
    tasks = [asyncio.create_task(direct(wait, busy)), asyncio.create_task(direct(busy, wait))]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for one in others:
        one.cancel()
    await asyncio.gather(*done)


async def first_of_two_groups(wait: Wait, busy: Wait) -> None:
    tasks = [asyncio.create_task(gathered(wait, busy)), asyncio.create_task(gather_beside_a_fault(wait, busy))]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for one in others:
        one.cancel()
    await asyncio.gather(*done)


async def looked_at(handler: Handler) -> bool:
    waits: set[asyncio.Future[Any]] = set()

    async def wait() -> None:
        future = asyncio.get_running_loop().create_future()
        waits.add(future)
        await future

    async def busy() -> None:
        await asyncio.get_running_loop().create_future()

    async def run() -> None:
        await handler(wait, busy)

    async with ended_tasks():
        task = asyncio.create_task(run())
        await quiet()
        return find_ends(task, waits) is not None


@contextlib.asynccontextmanager
async def ended_tasks() -> AsyncIterator[None]:
    """Ends the tasks that the block has left."""
    before = asyncio.all_tasks()
    try:
        yield
    finally:
        left = asyncio.all_tasks() - before
        for one in left:
            one.cancel()
        if left:
            await asyncio.wait(left)


@pytest.mark.parametrize(
    "handler",
    [
        direct, nested, gathered, in_a_task_group, in_an_anyio_task_group, before_a_group_is_left, in_a_task_of_its_own,
        waited_for, limited, one_is_done, iterated, a_thousand_side_by_side,
    ],
)  # fmt: skip
async def test_a_handler_waits_when_all_its_branches_do(handler: Handler) -> None:
    assert await looked_at(handler)


@pytest.mark.parametrize(
    "handler",
    [
        busy, busy_beside_a_wait, busy_in_a_group, busy_in_an_anyio_group, busy_beside_a_task, asleep_beside_a_task,
        held_up_by_an_event, as_it_completes,
    ],
)  # fmt: skip
async def test_a_handler_is_busy_while_one_of_its_branches_is(handler: Handler) -> None:
    assert not await looked_at(handler)


async def test_a_wait_that_is_over_is_none() -> None:
    over = asyncio.get_running_loop().create_future()

    async def run() -> None:
        await asyncio.gather(over, asyncio.get_running_loop().create_future())

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    over.set_result(None)
    assert find_ends(task, {over}) is None
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    "handler",
    [
        gather_beside_a_fault, gather_in_a_gather, group_beside_a_fault, anyio_group_beside_a_fault, first_of_two,
        first_of_two_groups,
    ],
)  # fmt: skip
async def test_what_ends_shows_until_a_handler_goes_on_for_it(handler: Handler) -> None:
    """From the end of a branch on, each turn shows something else, until the handler is busy."""
    waits: set[asyncio.Future[Any]] = set()
    end = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        future = asyncio.get_running_loop().create_future()
        waits.add(future)
        await future

    async def busy() -> None:
        await end

    async def run() -> None:
        await handler(wait, busy)

    async with ended_tasks():
        task = asyncio.create_task(run())
        await quiet()
        assert find_ends(task, waits) is None
        end.set_exception(ValueError("the branch"))
        found = list[object]()
        while not task.done() and (ends := find_ends(task, waits)) is not None:
            assert ends not in found, "it seems to wait, and goes on all the same"
            found.append(ends)
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert "the branch" in repr(task.exception())

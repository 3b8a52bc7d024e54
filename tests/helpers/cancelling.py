"""Cancels a call at every moment that the event loop knows: at each wait, at each turn, by whatever means there are."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from types import coroutine
from typing import Any, NamedTuple

import anyio

from tests.helpers.waiting import PATIENCE

MOST = 2000  # cancels of one call; that would be no call but a loop
Call = Callable[[], Coroutine[Any, Any, Any]]


class Ending(NamedTuple):
    """How a call ended that was to be cancelled: by that, or with what it returned."""

    is_cancelled: bool
    value: Any = None


@contextmanager
def at_turn(number: int, *then: Callable[[], object]) -> Iterator[None]:
    """Calls back when the event loop has turned so often from now, at the next turn again, and so on.

    A turn ends when there is nothing left to do but to wait for other threads, for timers, or for the next turn. What
    is called at its end meets every state that a call can be in when something from outside comes in.
    """
    selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # noqa: SLF001  # asyncio's own loops have one
    select, left, calls = selector.select, number, list(then)

    def selected(timeout: float | None = None) -> Any:
        nonlocal left
        if left <= 0 and calls:
            calls.pop(0)()
            timeout = 0  # it has set something going
        left -= 1
        return select(timeout)

    selector.select = selected
    try:
        yield
    finally:
        del selector.select


@coroutine
def cut(work: Coroutine[Any, Any, Any], number: int) -> Generator[Any, Any, Any]:
    """Awaits work, and cancels its task as it is about to wait for the time with this number, from 0."""
    step, given = work.send, None
    for wait in count():
        try:
            awaited = step(given)
        except StopIteration as end:
            return end.value
        if wait == number:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            given, step = (yield awaited), work.send
        except BaseException as error:
            given, step = error, work.throw
    raise AssertionError


def nothing_left() -> Callable[[], None]:
    """Returns what asserts that no task and no thread is left that was not there now."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())

    def check() -> None:
        assert asyncio.all_tasks() <= tasks
        for thread in set(threading.enumerate()) - threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread.name

    return check


# The means. Each makes the call and cancels it at a moment with a number; none may be swallowed.


async def _ended(task: asyncio.Task[Any], asked: Callable[[], bool]) -> Ending:
    await asyncio.wait([task])
    if task.cancelled():
        return Ending(is_cancelled=True)
    assert not asked(), "a cancellation was swallowed"
    return Ending(is_cancelled=False, value=task.result())


async def as_it_waits(call: Call, number: int) -> Ending:
    async def whole() -> Any:
        return await cut(call(), number)

    task = asyncio.ensure_future(whole())
    return await _ended(task, lambda: task.cancelling() > 0)


async def at_a_turn(call: Call, number: int) -> Ending:
    task = asyncio.ensure_future(call())
    asked: list[bool] = []
    with at_turn(number, lambda: asked.append(task.cancel())):
        return await _ended(task, lambda: True in asked)


async def at_two_turns(call: Call, number: int) -> Ending:
    task = asyncio.ensure_future(call())
    asked: list[bool] = []
    again = lambda: asked.append(task.cancel())  # noqa: E731  # the same twice
    with at_turn(number, again, again):
        return await _ended(task, lambda: True in asked)


async def by_a_timeout(call: Call, number: int) -> Ending:
    try:
        async with asyncio.timeout(None) as scope:
            with at_turn(number, lambda: scope.reschedule(0)):
                return Ending(is_cancelled=False, value=await call())
    except TimeoutError:
        return Ending(is_cancelled=True)


async def by_a_scope(call: Call, number: int) -> Ending:
    with anyio.CancelScope() as scope, at_turn(number, scope.cancel):
        return Ending(is_cancelled=False, value=await call())
    return Ending(is_cancelled=True)


async def by_moving_on(call: Call, number: int) -> Ending:
    with anyio.move_on_after(math.inf) as scope, at_turn(number, lambda: setattr(scope, "deadline", -math.inf)):
        return Ending(is_cancelled=False, value=await call())
    return Ending(is_cancelled=True)


async def by_failing(call: Call, number: int) -> Ending:
    try:
        with anyio.fail_after(math.inf) as scope, at_turn(number, lambda: setattr(scope, "deadline", -math.inf)):
            return Ending(is_cancelled=False, value=await call())
    except TimeoutError:
        return Ending(is_cancelled=True)


async def by_a_task_group(call: Call, number: int) -> Ending:
    values: list[Any] = []

    async def one_of_them() -> None:
        values.append(await call())

    group = anyio.create_task_group()
    with at_turn(number, group.cancel_scope.cancel):
        async with group:
            group.start_soon(one_of_them)
    return Ending(not values, *values)


WAYS: dict[str, Callable[[Call, int], Awaitable[Ending]]] = {
    way.__name__: way
    for way in (
        as_it_waits, at_a_turn, at_two_turns, by_a_timeout, by_a_scope, by_moving_on, by_failing, by_a_task_group,
    )
}  # fmt: skip


async def at_every_moment(
    way: str, prepare: Callable[[int], Awaitable[Call]], step: int = 1
) -> AsyncIterator[tuple[int, Ending]]:
    """Makes a call again and again, cancelled at moment 0, 1, 2 ... until it is not cancelled any more.

    Args:
        way: How it is cancelled.
        prepare: Makes ready what a call needs, and returns the call.
        step: Only each such turn, from a random one on (in the first ring it is the same each time); a call has few
            waits, each of which is tried.

    Yields:
        The moment and how the call ended.
    """
    first = 0 if way == "as_it_waits" else random.randrange(step)
    number = first
    while number < MOST:
        async with asyncio.timeout(PATIENCE):
            call = await prepare(number)
            ending = await WAYS[way](call, number)
        yield number, ending
        if ending.is_cancelled:
            number += 1 if way == "as_it_waits" else step
        elif number > first:
            return
        else:  # a quick call is over before a late first moment
            assert first > 0, "nothing was ever cancelled"
            number = first = first - 1
    raise AssertionError("it is still cancelled")

"""No asynchronous test goes on for ever: each has one limit, and one that reaches it says what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from types import FrameType
from typing import Any

from tests.helpers.rings import depth

FIRST_S, SECOND_S = 180.0, 600.0  # of the rings; a test takes a second, on a machine that is busy a few
Test = Callable[..., Awaitable[None]]


def limited(test: Test, name: str) -> Test:
    """A test that is cancelled when its time is over, and fails with all that its tasks wait for.

    Args:
        test: The test.
        name: What it is called then.
    """

    @wraps(test)
    async def within(*args: Any, **kwargs: Any) -> None:
        limit, found = depth(FIRST_S, SECOND_S), list[str]()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:

                def expire() -> None:
                    found.extend(waiting())
                    scope.reschedule(loop.time())

                timer = loop.call_later(limit, expire)
                try:
                    await test(*args, **kwargs)
                finally:
                    timer.cancel()
        except TimeoutError as error:
            if scope.expired():
                said = "\n".join(found)
                raise AssertionError(f"{name} has not ended in {limit:g} s; its tasks wait:\n{said}") from error
            raise

    return within


def waiting() -> Iterator[str]:
    """Each task of the running event loop, and the calls that it is in, the innermost last."""
    for task in asyncio.all_tasks():
        places = "".join(f"\n    {_place(frame)}" for frame in frames(task))
        yield f"  {task.get_name()}, for {getattr(task, '_fut_waiter', None)}:{places}"


def frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The calls that a task is in, the innermost last."""
    awaiting: Any = task.get_coro()
    while awaiting is not None:
        for kind in ("cr", "gi", "ag"):  # a coroutine, a generator, an asynchronous one
            frame = getattr(awaiting, f"{kind}_frame", None)
            if isinstance(frame, FrameType):
                yield frame
                awaited = "gi_yieldfrom" if kind == "gi" else f"{kind}_await"
                awaiting = getattr(awaiting, awaited, None)
                break
        else:
            return


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, {frame.f_code.co_qualname}"

"""Whether all branches of a handler wait, so that its attempt may be suspended.

A handler may wait in several branches at once: under `gather`, in task groups, in tasks of its own. Its attempt is
suspended when each of them waits durably, and not while one does anything else. Nothing announces that, so it is looked
up: from a task to what it awaits, and on to the tasks that it waits for by that. The answer errs to one side: what this
module does not know counts as busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from types import FrameType
from typing import Any, Final

_LIBRARIES: Final = frozenset({"asyncio", "anyio"})  # whose code between a handler and a future waits for tasks
_TASKS_LOOKED_AT: Final = 10_000  # a job may have 1,000 operations side by side, each in tasks of its own


def find_ends(task: asyncio.Task[Any], waits: Collection[asyncio.Future[Any]]) -> frozenset[asyncio.Future[Any]] | None:
    """What is over among what a quiet task waits for. As long as that changes from turn to turn of the event loop, some
    callback is still to come, such as that of a `gather` whose child has failed: then the task is about to go on.

    Args:
        task: The task of an attempt.
        waits: The futures of its durable waits that are not over.

    Returns:
        The futures and tasks that are over; None: the task, or one that it waits for, is busy.
    """
    look = _Look(waits)
    return frozenset(look.ends) if look.is_quiet(task) else None


class _Look:
    """One look from a task to all that it waits for.

    Attributes:
        ends: What was found to be over.
    """

    def __init__(self, waits: Collection[asyncio.Future[Any]]) -> None:
        self._waits = waits
        self._visited: set[int] = set()
        self.ends: set[asyncio.Future[Any]] = set()

    def is_quiet(self, awaited: asyncio.Future[Any]) -> bool:
        """Whether it, and all that it waits for, wait for the durable waits."""
        if awaited in self._waits:
            return not awaited.done()
        if id(awaited) in self._visited:
            return True  # it is being looked at
        self._visited.add(id(awaited))
        if awaited.done() or len(self._visited) > _TASKS_LOOKED_AT:
            return False
        if not isinstance(awaited, asyncio.Task):
            return self._are_quiet(getattr(awaited, "_children", ()))  # of `gather`
        inner: asyncio.Future[Any] | None = getattr(awaited, "_fut_waiter", None)
        if inner is None or inner.done():
            return False  # its next step is about to come
        return self.is_quiet(inner) or self._are_quiet(_tasks_behind(awaited))

    def _are_quiet(self, awaited: Iterable[asyncio.Future[Any]]) -> bool:
        """Whether something is not over, and all of it is quiet."""
        going = []
        for one in awaited:
            if one.done():
                self.ends.add(one)
            else:
                going.append(one)
        return bool(going) and all(map(self.is_quiet, going))


def _tasks_behind(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """The tasks that a task waits for by a future of a library: those that the library's code has at hand, such as a
    task group that is left.
    """
    found: list[asyncio.Task[Any]] = []
    for frame in reversed(list(_frames(task.get_coro()))):
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _LIBRARIES:
            break
        for value in frame.f_locals.values():
            found += _tasks_in(value)
    return [one for one in dict.fromkeys(found) if one is not task]


def _tasks_in(value: object) -> list[asyncio.Task[Any]]:
    """The tasks that a local variable is, holds, or has as the members of a task group."""
    members = value if isinstance(value, set | frozenset | list | tuple) else getattr(value, "_tasks", None)
    if isinstance(members, set | frozenset | list | tuple):
        return [one for one in members if isinstance(one, asyncio.Task)]
    return [value] if isinstance(value, asyncio.Task) else []


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it awaits, the innermost last."""
    while awaitable is not None:
        for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(awaitable, f"{prefix}_frame", None)
            if frame is not None:
                yield frame
                awaitable = getattr(awaitable, inner)
                break
        else:
            return

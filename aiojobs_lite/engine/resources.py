"""The resources of one life of a runner: made at the start, shared by all attempts, and left after the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from aiojobs_lite.errors import AiojobsError, ResourceFailed, RunnerClosed
from aiojobs_lite.handlers.resources import (
    Factory,
    enter,
    enter_in_thread,
    is_asynchronous,
    recipe_of,
)
from aiojobs_lite.logs import get_log
from aiojobs_lite.text import name_of

_log = get_log("engine")


class Resources(Mapping[Any, Any]):
    """The resources by type. It is a mapping of those that are shared, complete when it is open.

    They are made and left in one task of their own, in which nothing else runs: a context manager with a cancel scope
    must be left in the task that entered it, and may cancel that task.

    Args:
        deps: What `JobRunner(deps=...)` was given.

    Attributes:
        per_attempt: The factories of those that are made for each attempt.
        on_loop: Of these the types whose factories are asynchronous.
    """

    def __init__(self, deps: Mapping[Any, Any]) -> None:
        recipes = {key: recipe_of(key, value) for key, value in deps.items()}
        self._values = {key: recipe.value for key, recipe in recipes.items() if recipe.factory is None}
        self._factories: dict[Any, Factory] = {}
        self.per_attempt: dict[Any, Factory] = {}
        for key, recipe in recipes.items():
            if recipe.factory is not None:
                kept = self.per_attempt if recipe.is_per_attempt else self._factories
                kept[key] = recipe.factory
        self.on_loop = frozenset(key for key, factory in self.per_attempt.items() if is_asynchronous(factory))
        self._is_ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def get(self, key: Any, default: Any = None) -> Any:
        """As of each mapping; in one call, since each durable attempt begins with it."""
        return self._values.get(key, default)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def shared(self, injected: Mapping[str, Any]) -> dict[str, Any]:
        """Of the injected parameters of a handler, name -> type, those that are shared: name -> resource."""
        return {name: self._values[wanted] for name, wanted in injected.items() if wanted in self._values}

    def own(self, injected: Mapping[str, Any]) -> dict[str, Any]:
        """Of the injected parameters of a handler, name -> type, those that are made for each attempt."""
        return {name: wanted for name, wanted in injected.items() if wanted in self.per_attempt}

    async def open(self) -> None:
        """Makes what is to be made, in the order of `deps`. One that fails, or a caller that is cancelled, leaves
        nothing open.

        Raises:
            ResourceFailed: If a factory, or the entry of a context manager, raises.
            RunnerClosed: If it is closed meanwhile.
        """
        if not self._factories:
            return
        ready = self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(ready), name="aiojobs_lite resources")
        try:
            await asyncio.shield(ready)
        except AiojobsError:
            await self.close()
            raise
        except BaseException:
            ready.cancel()
            self._cancel()
            await self.close()
            raise

    async def close(self) -> None:
        """Leaves them, the last first. May be called twice. What one raises is logged, and the others are left.

        A caller that is cancelled has this cancel what hangs, and still waits.
        """
        self._is_ended.set()
        if self._ready is not None and not self._ready.done():
            self._cancel()
        cancelled: asyncio.CancelledError | None = None
        while self._task is not None and not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                cancelled = error
                self._cancel()
        if cancelled is not None:
            raise cancelled

    def hurry(self) -> None:
        """Cancels what is being left at this moment, if they are."""
        if self._is_ended.is_set():
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _live(self, ready: asyncio.Future[None]) -> None:
        """The owned task."""
        entered: list[tuple[Any, AsyncExitStack]] = []
        failure: AiojobsError | None = None
        try:
            for key, factory in self._factories.items():
                stack = AsyncExitStack()
                entered.append((key, stack))
                self._values[key] = await enter(stack, key, factory)
            if not ready.done():
                ready.set_result(None)
            await self._is_ended.wait()
        except BaseException as error:  # noqa: BLE001  # handed to `open`, or logged: never to the host
            if not ready.done():
                failure = RunnerClosed() if self._is_ended.is_set() else ResourceFailed(entered[-1][0], error)
                failure.__cause__ = error
            elif not ready.cancelled() and not self._is_ended.is_set():
                _log.error("the task of the resources was cancelled: they are left while jobs may still run")
        for key, stack in reversed(entered):
            await _leave(key, stack)
        if failure is not None and not ready.done():
            ready.set_exception(failure)


async def _leave(key: Any, stack: AsyncExitStack) -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()  # it was for what went before
    try:
        await stack.aclose()
    except BaseException as error:  # noqa: BLE001  # of the user's code: the others are still to be left
        _log.error("the resource for %s could not be closed", name_of(key), exc_info=error)


class AttemptResources(dict[Any, Any]):
    """The resources of one attempt by type: the shared ones, and its own when they are made.

    Args:
        shared: Those of the runner.
        wanted: What the handler wants of its own: name of the parameter -> type.

    Attributes:
        per_attempt: The factories of those that are made for each attempt.
    """

    __slots__ = ("_on_loop", "_wanted", "per_attempt")

    def __init__(self, shared: Resources, wanted: Mapping[str, Any]) -> None:
        super().__init__(shared)
        self._wanted = wanted
        self._on_loop = shared.on_loop
        self.per_attempt: Mapping[Any, Factory] = shared.per_attempt

    async def make(self, stack: AsyncExitStack, *, is_for_thread: bool) -> None:
        """Makes what is wanted, one for each type, to be left with the stack; for a handler in a thread only what is
        asynchronous.
        """
        for wanted in self._wanted.values():
            if wanted not in self and (not is_for_thread or wanted in self._on_loop):
                self[wanted] = await enter(stack, wanted, self.per_attempt[wanted])

    def make_in_thread(self, stack: ExitStack) -> None:
        """Makes what is not yet made of what is wanted, in the thread of the handler, to be left with the stack."""
        for wanted in self._wanted.values():
            if wanted not in self:
                self[wanted] = enter_in_thread(stack, wanted, self.per_attempt[wanted])

    def by_parameter(self) -> dict[str, Any]:
        """What was made: name of the parameter -> resource."""
        return {name: self[wanted] for name, wanted in self._wanted.items()}

"""What an application around a runner brings: an event loop with ideas of its own, and an ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def nothing_reaches_the_host() -> Iterator[None]:
    """Not even the event loop's handler of what was not caught."""
    loop, complaints = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


@contextmanager
def made_by(factory: Callable[..., Any]) -> Iterator[None]:
    """The tasks of the block are made by a factory."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        yield
    finally:
        loop.set_task_factory(None)


class LifespanServer:
    """An ASGI server as far as the lifespan goes.

    Attributes:
        task: The application, which runs until its shutdown.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.ensure_future(app({"type": "lifespan"}, self._events.get, self._answers.put))

    async def ask(self, event: str) -> str:
        """Sends an event; returns the type of the answer."""
        await self._events.put({"type": f"lifespan.{event}"})
        return str((await self._answers.get())["type"])

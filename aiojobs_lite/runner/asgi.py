"""An ASGI application around another one, which starts and stops a runner."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from aiojobs_lite.errors import QueueFull
from aiojobs_lite.logs import get_log

_log = get_log("runner")

_HOUR_S: Final = 3600.0
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


class AsgiHost:
    """Starts a runner by the events of the lifespan, or with the first request.

    Args:
        app: The application.
        start: Starts the runner.
        start_unattended: Starts it in a host that does not stop it.
        stop: Stops it.
        is_started: Whether it is started.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        start: Callable[[], Awaitable[object]],
        start_unattended: Callable[[], Awaitable[object]],
        stop: Callable[[], Awaitable[None]],
        is_started: Callable[[], bool],
    ) -> None:
        self._app = app
        self._start_runner, self._start_unattended = start, start_unattended
        self._stop_runner, self._is_started = stop, is_started
        self._is_ended = False
        self._starting: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if not self._is_ended and not self._is_started():
            await self._start(self._start_unattended)
        await self._app(scope, receive, send)

    async def _start(self, start: Callable[[], Awaitable[object]]) -> None:
        """Starts the runner, once for all requests that wait; a later one tries again what failed."""
        loop = asyncio.get_running_loop()
        task = self._starting
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._starting = asyncio.create_task(self._start_once(start), name="aiojobs_lite start")
        await asyncio.shield(task)  # a request that is broken off does not stop the start

    async def _start_once(self, start: Callable[[], Awaitable[object]]) -> None:
        if not self._is_started():
            await start()

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        inner = _Inner(self._app, scope)
        try:
            failed = await inner.ask("lifespan.startup")
            if failed is not None:
                await send(failed)
                return
            await self._start(self._start_runner)
        except Exception as error:
            await inner.ask("lifespan.shutdown")
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        self._is_ended = False
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()  # lifespan.shutdown
        finally:
            self._is_ended = True
            try:
                await self._stop_runner()
            finally:
                failed = await inner.ask("lifespan.shutdown")
        await send(failed or {"type": "lifespan.shutdown.complete"})


class _Inner:
    """The lifespan of the application within, if it knows one."""

    def __init__(self, app: AsgiApp, scope: Message) -> None:
        self._app = app
        self._scope = scope
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, event: str) -> Message | None:
        """Sends it an event; returns its answer if that is a failure, else None: also if it knows no lifespan."""
        if self._task is None and event == "lifespan.startup":
            self._task = asyncio.create_task(self._run(), name="aiojobs_lite lifespan of the application")
        if self._task is None or self._task.done():
            return None
        await self._events.put({"type": event})
        answer = asyncio.ensure_future(self._answers.get())
        try:
            await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and self._answers.empty():
                return None  # it has ended without an answer
            message = await answer
        finally:
            answer.cancel()
        return message if message["type"].endswith(".failed") else None

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._events.get, self._answers.put)
        except Exception as error:  # noqa: BLE001  # most frameworks that know no lifespan refuse it by an exception
            _log.debug("the application knows no lifespan: %r", error)


class TryLater:
    """The answer 503 with `Retry-After`, as an ASGI application.

    Args:
        detail: What the client is to read.
        retry_after: Whole seconds.
    """

    def __init__(self, detail: str, retry_after: int) -> None:
        self._body = json.dumps({"detail": detail}).encode()
        self._headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self._body)).encode()),
            (b"retry-after", str(retry_after).encode()),
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Sends the answer."""
        del scope, receive
        await send({"type": "http.response.start", "status": 503, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


async def answer_queue_full(request: object, error: Exception) -> Any:  # checkers ask for a Response of Starlette
    """Answers a request whose enqueue raised `QueueFull`: 503, with `Retry-After` by the measured rate.

    For `app.add_exception_handler(QueueFull, answer_queue_full)` of Starlette and FastAPI.

    Returns:
        A `TryLater`, which those call as they do a response of theirs.
    """
    del request
    retry_after = min(error.retry_after, _HOUR_S) if isinstance(error, QueueFull) else 1.0
    return TryLater("too many jobs wait: try again later", max(1, math.ceil(retry_after)))

"""Hands facts to the log and to those that watch the runner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections import deque

from aiojobs_lite.telemetry.facts import Fact

_BUFFER = 1000


class _Loggers(dict[str, logging.Logger]):
    """The logger of each part."""

    def __missing__(self, part: str) -> logging.Logger:
        logger = self[part] = logging.getLogger(f"aiojobs_lite.{part}")
        return logger


class Bus:
    """Hands events to the logs and to the listeners of one runner. Never waits, never raises into the engine."""

    def __init__(self) -> None:
        self._listeners: set[weakref.ref[Watch]] = set()  # one that nobody iterates any more goes by itself
        self._loggers = _Loggers()

    def is_watched(self, kind: type[Fact]) -> bool:
        """Whether anybody would notice an event of this kind: else it need not be made."""
        return bool(self._listeners) or self._loggers[kind.part].isEnabledFor(kind.level)

    def publish(self, event: Fact) -> None:
        """Logs the event and hands it to every listener; one that is too slow loses its oldest."""
        with contextlib.suppress(Exception):  # a filter or handler of the application that raises is no fault of a job
            self._log(event)
        for listener in self._listening():
            listener.put(event)

    def watch(self) -> Watch:
        """Everything published from now on."""
        listener = Watch()
        self._listeners.add(weakref.ref(listener, self._listeners.discard))
        return listener

    def close(self) -> None:
        """Ends every listener's iteration; what a runner does after its next start is not told to them."""
        for listener in self._listening():
            listener.close()
        self._listeners.clear()

    def _listening(self) -> list[Watch]:
        return [listener for reference in tuple(self._listeners) if (listener := reference()) is not None]

    def _log(self, event: Fact) -> None:
        logger = self._loggers[event.part]
        if logger.isEnabledFor(event.level):
            shown = {f"job_{name}" if name in ("type", "reason") else name: value for name, value in event.items()}
            logger.log(event.level, "%s", event, extra={"event": type(event).__name__, **shown})


class Watch:
    """The events of one `async for`: at most 1,000 unread, the oldest give way. Ends when the runner is closed."""

    def __init__(self) -> None:
        self._unread: deque[Fact] = deque(maxlen=_BUFFER)
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, event: Fact) -> None:
        """Hands an event over; never waits."""
        self._unread.append(event)
        self._arrived.set()

    def close(self) -> None:
        """Ends the iteration after what is unread."""
        self._closed = True
        self._arrived.set()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Fact:
        while not self._unread:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()

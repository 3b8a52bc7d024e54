"""From the parts of a runner to its log and its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections import deque
from textwrap import indent

from aiojobs_lite.telemetry.fact import PARTS, Fact
from aiojobs_lite.telemetry.tracebacks import KnownTracebacks, Trace
from aiojobs_lite.text import escape_lines

_MOST_UNREAD = 1000  # facts that wait for one listener


class Bus:
    """Publishes the facts of one runner: to the log and to its listeners. Never waits, never raises."""

    def __init__(self) -> None:
        self._listeners: set[weakref.ref[Watch]] = set()  # one that is not iterated any more goes by itself
        self._loggers = {part: logging.getLogger(f"aiojobs_lite.{part}") for part in PARTS}
        self._known = KnownTracebacks()

    def is_watched(self, kind: type[Fact]) -> bool:
        """Whether a fact of this kind would be logged or reach a listener: else it need not be made."""
        return True if self._listeners else self._loggers[kind.part].isEnabledFor(kind.level)

    def publish(self, fact: Fact, trace: Trace | None = None) -> None:
        """Logs the fact and hands it to every listener; one that is too slow loses its oldest.

        Args:
            fact: Is published.
            trace: The traceback that its log line bears, unless the log has it already.
        """
        with contextlib.suppress(Exception):  # a filter or handler of the application that raises is no fault of a job
            self._log(fact, trace)
        for listener in self._listening():
            listener.put(fact)

    def watch(self) -> Watch:
        """Adds a listener: it gets every fact published from now on."""
        listener = Watch()
        self._listeners.add(weakref.ref(listener, self._listeners.discard))
        return listener

    def close(self) -> None:
        """Ends the iteration of every listener; they get nothing of what is published later."""
        for listener in self._listening():
            listener.close()
        self._listeners.clear()

    def _listening(self) -> list[Watch]:
        return [listener for reference in tuple(self._listeners) if (listener := reference()) is not None]

    def _log(self, fact: Fact, trace: Trace | None) -> None:
        logger = self._loggers[fact.part]
        level = fact.level if trace is None else max(fact.level, logging.WARNING)
        if not logger.isEnabledFor(level):
            return
        shown = fact.shown()
        extra: dict[str, object] = {"fact": type(fact).__name__}
        extra |= {f"job_{name}" if name in ("type", "reason") else name: value for name, value in shown.items()}
        if trace is None:
            logger.log(level, "%s", fact, extra=extra)
            return
        place = f"job {shown['job_id']}" + (f" attempt {shown['attempt']}" if "attempt" in shown else "")
        place = f"step {shown['step']} of {place}" if "step" in shown else place
        first = self._known.find(str(shown["type"]), trace, place)
        if first is not None and not trace.is_repeated:
            logger.log(level, "%s; traceback as of %s", fact, first, extra=extra)
            return
        path, line, function, _ = logger.findCaller()
        info = trace.exc_info
        record = logger.makeRecord(logger.name, level, path, line, "%s", (fact,), info, function, extra)
        text = escape_lines(indent(trace.text, "  "))
        record.exc_text = text  # a formatter takes it: what was raised may have any text
        logger.handle(record)


class Watch:
    """The facts of one listener, for `async for`. Ends when the runner is closed.

    At most 1,000 facts wait unread; then the oldest are dropped.
    """

    def __init__(self) -> None:
        self._unread: deque[Fact] = deque(maxlen=_MOST_UNREAD)
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, fact: Fact) -> None:
        """Hands a fact over; never waits."""
        self._unread.append(fact)
        self._arrived.set()

    def take(self) -> list[Fact]:
        """Takes all unread facts at once, without waiting."""
        taken = list(self._unread)
        self._unread.clear()
        return taken

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

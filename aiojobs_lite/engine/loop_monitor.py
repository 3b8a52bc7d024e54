"""How late the event loop is, and what holds it up: a thread looks at it from outside, but only while it is overdue."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import LoopBlocked
from aiojobs_lite.telemetry.meters import Metrics

TURN_EVERY = 0.2  # seconds
_LAG_MEMORY = 0.98  # a peak of lag is half forgotten after 34 turns
_BLOCKED = 1.0  # seconds of lag that are told of
_OVERDUE = 0.5  # seconds of lag that are looked into
_FRAMES = 10  # of the stack, the innermost
_JOIN = 1.0  # seconds
_NOBODY = "?"


class Lookout:
    """Measures the lag of the event loop, and tells of one that was blocked and of the job type that blocked it.

    Nothing is measured of single steps, so that no job costs more for it. That is also the limit: what held the loop
    up is what is found on it when it is half a second late. A handler's own task is known, one that the handler
    started is not; the stack tells all the same.

    Args:
        bus: Hears of an event loop that was blocked.
        metrics: Gets its lag.
        whose: Called on the other thread with the task that is on the loop: the job type whose attempt it is, if any.
    """

    def __init__(self, bus: Bus, metrics: Metrics, whose: Callable[[asyncio.Task[Any] | None], str | None]) -> None:
        self._bus = bus
        self._metrics = metrics
        self._whose = whose
        self._expected = 0.0
        self._found: tuple[str, list[traceback.FrameSummary]] | None = None

    async def run(self) -> None:
        """Measures, for ever."""
        with self._looked_at():
            while True:
                self._found = None
                self._expected = time.monotonic() + TURN_EVERY
                await asyncio.sleep(TURN_EVERY)
                self._back(max(0.0, time.monotonic() - self._expected))

    def _back(self, lag: float) -> None:
        self._metrics.loop_lag = max(lag, self._metrics.loop_lag * _LAG_MEMORY)
        if lag >= _BLOCKED and self._bus.is_watched(LoopBlocked):
            job_type, places = self._found or (_NOBODY, [])
            self._bus.publish(LoopBlocked(lag, job_type, "".join(traceback.format_list(places))))

    @contextmanager
    def _looked_at(self) -> Iterator[None]:
        over = threading.Event()
        self._expected = time.monotonic()
        what = (asyncio.get_running_loop(), threading.get_ident(), over)
        thread = threading.Thread(target=self._look_out, args=what, name="aiojobs_lite lookout", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_JOIN)

    # On the other thread.

    def _look_out(self, loop: asyncio.AbstractEventLoop, thread_id: int, over: threading.Event) -> None:
        """Sleeps for as long as the loop cannot be overdue, so that it wakes no more than twice a second."""
        left = _OVERDUE
        while not over.wait(left):
            left = self._expected + _OVERDUE - time.monotonic()
            if left <= 0:
                left = _OVERDUE  # until the loop is back there is nothing more to find
                if self._found is None:
                    self._found = self._look(loop, thread_id)

    def _look(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> tuple[str, list[traceback.FrameSummary]]:
        """Reads no source: each file would give up the interpreter lock, which may not be had again before the end."""
        job_type = self._whose(asyncio.current_task(loop)) or _NOBODY
        frame = sys._current_frames().get(thread_id)  # noqa: SLF001  # the documented way
        frames = islice(traceback.walk_stack(frame), _FRAMES) if frame else ()
        places = [
            traceback.FrameSummary(one.f_code.co_filename, line, one.f_code.co_name, lookup_line=False)
            for one, line in frames
        ]
        return job_type, places[::-1]

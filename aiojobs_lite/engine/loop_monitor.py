"""How late the event loop is, and what blocks it: a thread looks at it, but only while it is overdue."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final

from aiojobs_lite.engine.ports import AttemptTasks
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import LoopBlocked
from aiojobs_lite.telemetry.meters import Metrics

TURN_EVERY_S: Final = 0.2
_LAG_MEMORY: Final = 0.98  # a peak of lag is half forgotten after 34 turns
_BLOCKED_S: Final = 1.0  # of lag that are published
_OVERDUE_S: Final = 0.5  # of lag that are looked into
_FRAMES: Final = 10  # of the stack, the innermost
_JOIN_S: Final = 1.0  # that the thread may take to end
_NO_TYPE: Final = "?"


class LoopMonitor:
    """Measures the lag of the event loop; of a loop that was blocked, also the job type that blocked it.

    Nothing is measured of single steps, so that no job costs more for it. That is also the limit: what blocked the loop
    is what is found on it when it is half a second late. A handler's own task is known, a task that the handler
    started is not; the stack shows it all the same.

    Args:
        bus: Gets `LoopBlocked`.
        metrics: Gets the lag.
        attempts: Knows the tasks of attempts; asked on the other thread.
    """

    def __init__(self, *, bus: Bus, metrics: Metrics, attempts: AttemptTasks) -> None:
        self._bus = bus
        self._metrics = metrics
        self._attempts = attempts
        self._expected = 0.0
        self._found: tuple[str, list[traceback.FrameSummary]] | None = None

    async def run(self) -> None:
        """Measures, until it is cancelled."""
        with self._monitored():
            while True:
                self._found = None
                self._expected = time.monotonic() + TURN_EVERY_S
                await asyncio.sleep(TURN_EVERY_S)
                self._back(max(0.0, time.monotonic() - self._expected))

    def _back(self, lag: float) -> None:
        self._metrics.loop_lag = max(lag, self._metrics.loop_lag * _LAG_MEMORY)
        if lag >= _BLOCKED_S and self._bus.is_watched(LoopBlocked):
            job_type, places = self._found or (_NO_TYPE, [])
            self._bus.publish(LoopBlocked(lag, job_type, "".join(traceback.format_list(places))))

    @contextmanager
    def _monitored(self) -> Iterator[None]:
        is_ended = threading.Event()
        self._expected = time.monotonic()
        work = partial(self._watch, asyncio.get_running_loop(), threading.get_ident(), is_ended)
        thread = UnawaitedThread(work, "aiojobs_lite loop monitor")
        thread.start()
        try:
            yield
        finally:
            is_ended.set()
            thread.join(_JOIN_S)

    # On the other thread.

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int, is_ended: threading.Event) -> None:
        """Sleeps for as long as the loop cannot be overdue, so that it wakes no more than twice a second."""
        left = _OVERDUE_S
        while not is_ended.wait(left):
            left = self._expected + _OVERDUE_S - time.monotonic()
            if left <= 0:
                left = _OVERDUE_S  # until the loop is back there is nothing more to find
                if self._found is None:
                    self._found = self._look(loop, thread_id)

    def _look(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> tuple[str, list[traceback.FrameSummary]]:
        """Reads no source: each file would give up the interpreter lock, which may not be had again before the end."""
        job_type = self._attempts.type_of(asyncio.current_task(loop)) or _NO_TYPE
        frame = sys._current_frames().get(thread_id)  # noqa: SLF001  # the documented way
        frames = islice(traceback.walk_stack(frame), _FRAMES) if frame else ()
        places = [
            traceback.FrameSummary(inner.f_code.co_filename, line, inner.f_code.co_name, lookup_line=False)
            for inner, line in frames
        ]
        return job_type, places[::-1]

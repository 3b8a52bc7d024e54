"""How late the event loop is, and what blocks it: a thread looks at it, but only while it is overdue.

If that thread was as late and the process used no processor time, nothing blocked the loop: the process did not run.
"""

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

from aiojobs_lite.clock import until_beat
from aiojobs_lite.engine.ports import AttemptTasks, LoopReporter
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.troubles import place_in_code
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import LoopBlocked, ProcessSuspended
from aiojobs_lite.telemetry.meters import Metrics

TURN_EVERY_S: Final = 0.2
_LAG_MEMORY: Final = 0.98  # a peak of lag is half forgotten after 34 turns
_BLOCKED_S: Final = 1.0  # of lag that are published
_OVERDUE_S: Final = 0.5  # of lag that are looked into
_FRAMES: Final = 10  # of the stack, the innermost
_JOIN_S: Final = 1.0  # that the thread may take to end
_NO_TYPE: Final = "?"
_IDLE: Final = 0.3  # of a time span, at most that much was spent on a processor by a process that did not run
_SLACK_S: Final = TURN_EVERY_S + _OVERDUE_S + 0.1  # by which the thread may have been less late than the loop
_LATE_S: Final = 0.2  # that it was at least then; mostly it is not late at all


class LoopMonitor:
    """Measures the lag of the event loop; of a loop that was blocked, also the job type that blocked it.

    Nothing is measured of single steps, so that no job costs more for it. That is also the limit: what blocked the loop
    is what is found on it when it is half a second late. A handler's own task is known, a task that the handler
    started is not; the stack shows it all the same.

    Args:
        bus: Gets `LoopBlocked` and `ProcessSuspended`.
        metrics: Gets the lag.
        attempts: Knows the tasks of attempts; asked on the other thread.
        reporter: Shows other processes what is found.
    """

    def __init__(self, *, bus: Bus, metrics: Metrics, attempts: AttemptTasks, reporter: LoopReporter) -> None:
        self._bus = bus
        self._metrics = metrics
        self._attempts = attempts
        self._reporter = reporter
        self._expected = 0.0
        self._found: tuple[Claimed | None, list[traceback.FrameSummary]] | None = None
        self._used = 0.0  # processor time of the process, at the beginning of a turn
        self._wakes_at = 0.0  # when the other thread wakes, if nothing keeps it from it
        self._woke_late = 0.0  # by how many seconds it woke too late in this turn, at most

    async def run(self) -> None:
        """Measures, until it is cancelled."""
        with self._monitored():
            while True:
                self._found, self._woke_late = None, 0.0
                self._used = time.process_time()
                pause = until_beat(TURN_EVERY_S)
                self._expected = time.monotonic() + pause
                await asyncio.sleep(pause)
                self._back(max(0.0, time.monotonic() - self._expected))
                self._reporter.turned()

    def _back(self, lag: float) -> None:
        self._metrics.loop_lag = max(lag, self._metrics.loop_lag * _LAG_MEMORY)
        if lag < _BLOCKED_S:
            return
        if self._was_suspended(lag):
            if self._bus.is_watched(ProcessSuspended):
                self._bus.publish(ProcessSuspended(lag))
        elif self._bus.is_watched(LoopBlocked):
            found, places = self._found or (None, [])
            job_type = found.type if found else _NO_TYPE
            self._bus.publish(LoopBlocked(lag, job_type, "".join(traceback.format_list(places))))

    def _was_suspended(self, lag: float) -> bool:
        """Whether nothing of this process ran. Code that keeps the interpreter lock keeps the other thread from its
        look as well; but it is found in an attempt, or computes.
        """
        if self._found is not None and self._found[0] is not None:
            return False
        lateness = max(self._woke_late, time.monotonic() - self._wakes_at)
        is_late = lateness >= max(_LATE_S, lag - _SLACK_S)
        return is_late and time.process_time() - self._used < _IDLE * lag

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
            self._reporter.left()
            is_ended.set()
            thread.join(_JOIN_S)

    # On the other thread.

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int, is_ended: threading.Event) -> None:
        """Sleeps for as long as the loop cannot be overdue, so that it wakes no more than twice a second."""
        left = _OVERDUE_S
        while True:
            self._wakes_at = time.monotonic() + left
            if is_ended.wait(left):
                self._reporter.looked(0.0, None, "")
                return
            self._woke_late = max(self._woke_late, time.monotonic() - self._wakes_at)
            left, late, found = self._expected + _OVERDUE_S - time.monotonic(), 0.0, None
            if left <= 0:
                late = _OVERDUE_S - left
                left = _OVERDUE_S  # until the loop is back there is nothing more to find
                found = self._found = self._found or self._look(loop, thread_id)
            claimed, places = found or (None, [])
            self._reporter.looked(late, claimed, place_in_code((one.filename, one.lineno, one.name) for one in places))

    def _look(
        self, loop: asyncio.AbstractEventLoop, thread_id: int
    ) -> tuple[Claimed | None, list[traceback.FrameSummary]]:
        """Reads no source: each file would give up the interpreter lock, which may not be had again before the end."""
        found = self._attempts.attempt_of(asyncio.current_task(loop))
        frame = sys._current_frames().get(thread_id)  # noqa: SLF001  # the documented way
        frames = islice(traceback.walk_stack(frame), _FRAMES) if frame else ()
        places = [
            traceback.FrameSummary(inner.f_code.co_filename, line, inner.f_code.co_name, lookup_line=False)
            for inner, line in frames
        ]
        return found, places[::-1]

"""When requests are given up: one timer for all that may take equally long."""

from __future__ import annotations

import asyncio
from typing import Any

Line = dict[asyncio.Task[Any], float]


class Deadlines:
    """Cancels tasks that take too long.

    Tasks that may take equally long stand in one line, in the order of their deadlines, and only the first has a timer.
    Nearly all deliveries have the same timeout, and end in time: a timer for each is most of what a timeout costs.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: dict[float, Line] = {}  # by seconds; each task with its deadline, by the time of the event loop
        self._timers: dict[float, asyncio.TimerHandle] = {}  # the same

    def begin(self, task: asyncio.Task[Any], seconds: float) -> None:
        """Cancels a task after so many seconds, unless `end` comes before."""
        line = self._lines.get(seconds)
        deadline = self._loop.time() + seconds
        if line is None:
            line = self._lines[seconds] = {}
            self._timers[seconds] = self._loop.call_at(deadline, self._ring, seconds)
        line[task] = deadline

    def end(self, task: asyncio.Task[Any], seconds: float, cancelling: int) -> bool:
        """Leaves a task alone from now on.

        Args:
            task: The task.
            seconds: As given to `begin`.
            cancelling: How many cancellations it had been asked for before.

        Returns:
            Whether it was cancelled because it took too long, and for nothing else.
        """
        line = self._lines.get(seconds)
        if line is not None and line.pop(task, None) is not None:
            return False
        return task.uncancel() <= cancelling

    def close(self) -> None:
        """Cancels no task any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _ring(self, seconds: float) -> None:
        line, now = self._lines[seconds], self._loop.time()
        for task, deadline in [*line.items()]:
            if deadline > now:
                self._timers[seconds] = self._loop.call_at(deadline, self._ring, seconds)
                return
            del line[task]
            task.cancel()
        del self._lines[seconds], self._timers[seconds]

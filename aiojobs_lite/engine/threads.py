"""Threads whose start is not waited for.

`Thread.start` waits for the first step of the thread, without a limit. Where memory is short that step may never come,
and the event loop would stand still for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class UnawaitedThread(threading.Thread):
    """A daemon thread whose start returns at once, and which can be called off until its first step.

    Args:
        work: What it does.
        name: Its name.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._ticket = threading.Lock()  # taken once: by the first step, or by what calls it off
        self._started = _Unawaited()

    def run(self) -> None:
        """Does the work, unless it was called off before."""
        if self._ticket.acquire(blocking=False):
            super().run()

    def call_off(self) -> bool:
        """Keeps the thread from its first step; returns whether that was in time."""
        return self._ticket.acquire(blocking=False)

    def join(self, timeout: float | None = None) -> None:
        """Waits until it has ended, also if it has not yet started."""
        if threading.Event.wait(self._started, timeout):
            super().join(timeout)

    @property
    def has_begun(self) -> bool:
        """Whether its first step was made, or called off."""
        return self._ticket.locked()


class CallThread:
    """The thread of a call that is no attempt; `HasThread` of it.

    Attributes:
        thread: The thread.
        thread_id: Its id, while the function runs.
    """

    __slots__ = ("thread", "thread_id")

    def __init__(self) -> None:
        self.thread: UnawaitedThread | None = None
        self.thread_id: int | None = None


class _Unawaited(threading.Event):
    """Is waited for by `Thread.start` alone."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return self.is_set()

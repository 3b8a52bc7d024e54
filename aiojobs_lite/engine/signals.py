"""Early notice of SIGTERM and SIGINT, by chaining the handler found, never replacing it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Tells the runner of a signal before the host acts on it. Only in the main thread; elsewhere it does nothing.

    Args:
        notice: Called on the event loop with the signal's name, and with its number if the default action is due after
            the drain: nobody else would end the process.
    """

    def __init__(self, notice: Callable[[str, int | None], None]) -> None:
        self._notice = notice
        self._loop: asyncio.AbstractEventLoop | None = None
        self._found: dict[int, Any] = {}
        self._ours: dict[int, Any] = {}

    def install(self) -> None:
        """Chains the handlers that are in place now."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            found = signal.getsignal(number)
            # None: set from C. A handler of the event loop itself shows as asyncio's placeholder; chaining it would
            # not call it. Both hosts (granian) end the lifespan by themselves.
            if found is None or found is signal.SIG_IGN or getattr(found, "__name__", "") == "_sighandler_noop":
                continue
            self._found[number] = found
            self._ours[number] = self._handle  # kept: each access of a bound method makes a new one
            signal.signal(number, self._ours[number])

    def restore(self) -> None:
        """Puts back what was found, where nobody has chained ours since."""
        loop, self._loop = self._loop, None
        if loop is None or threading.current_thread() is not threading.main_thread():
            return
        for number, ours in self._ours.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, self._found[number])

    def _handle(self, number: int, frame: FrameType | None) -> None:
        found = self._found[number]
        if self._loop is not None and not self._loop.is_closed():
            default = number if found is signal.SIG_DFL else None
            self._loop.call_soon_threadsafe(self._notice, signal.Signals(number).name, default)
            if default is not None:
                return
        elif found is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if callable(found):
            found(number, frame)

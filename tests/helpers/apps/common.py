"""What the programs share: lines to the test, orders from it, and an end no later than the test's."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path


def say(*words: object) -> None:
    """Writes a line at once, whole, from whatever thread or signal handler."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def note(log: Path, *words: object) -> None:
    """Appends a line to a file that several processes share; the order of lines is that of the calls."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


def show_log() -> None:
    """Has the library's log lines said as well, each beginning with `log`."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="log %(message)s")


class Orders:
    """The test's orders, a line each. Read by a thread: a blocked event loop does not hold them up.

    The program ends when its test has ended, whatever it is doing then.

    Attributes:
        go: Set by the order `go`.
        free: Set by the order `free`, for handlers that hold up their thread.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.free = threading.Event()
        self._others: asyncio.Queue[list[str]] = asyncio.Queue()

    def watch(self) -> None:
        """Begins to read; to be called on the event loop."""
        threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), daemon=True).start()

    async def next(self) -> list[str]:
        """The words of the next order that is neither `go` nor `free`."""
        return await self._others.get()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        rest = b""
        while found := os.read(0, 65536):
            *lines, rest = (rest + found).split(b"\n")
            for line in lines:
                self._take(loop, line.decode().split())
        os._exit(70)

    def _take(self, loop: asyncio.AbstractEventLoop, words: list[str]) -> None:
        if words == ["free"]:
            self.free.set()
            return
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self.go.set if words == ["go"] else lambda: self._others.put_nowait(words))

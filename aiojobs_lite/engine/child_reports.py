"""What a handler in a worker process reports: sent to the runner by the channel of its answers, ten times a second."""

from __future__ import annotations

import contextlib
import pickle
import socket
import threading
import time
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.job import Claimed
from aiojobs_lite.origin import Origin

LENGTH_BYTES: Final = 8
"""How many bytes of the channel say the length of a message."""
SEND_EVERY_S: Final = 0.1
_MOST_LINES: Final = 100  # that wait; more are sent at once
CHANNEL: ContextVar[socket.socket | None] = ContextVar("aiojobs_lite channel", default=None)
"""The channel of a worker process."""


class ChildReport(NamedTuple):
    """What a handler reported since the message before.

    Attributes:
        has_progress: Whether it said how far it is.
        fraction: How far it is.
        text: What it does.
        lines: What it logged.
    """

    has_progress: bool
    fraction: float | None
    text: str | None
    lines: tuple[str, ...]


class ChildReporter:
    """Implements `Reporter` for one attempt in a worker process.

    Args:
        channel: Leads to the runner.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._origin = Origin()
        self._last: tuple[float | None, str | None] | None = None
        self._lines: list[str] = []
        self._sent_at = 0.0
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def progress(self, claimed: Claimed, fraction: float | None, text: str | None) -> bool:
        """See `Reporter`."""
        del claimed
        if not self._origin.is_left:  # in a process that the handler forked there is nothing to report to
            with self._lock:
                if not self._is_closed:
                    self._last = fraction, text
                    self._send_soon()
        return False

    def log(self, claimed: Claimed, line: str) -> None:
        """See `Reporter`."""
        del claimed
        if not self._origin.is_left:
            with self._lock:
                if not self._is_closed:
                    self._lines.append(line)
                    self._send_soon()

    def close(self) -> None:
        """Sends what is left, before the answer; takes nothing more."""
        if self._origin.is_left:
            return
        with self._lock:
            self._send()
            self._is_closed = True

    def _send_soon(self) -> None:
        wait = self._sent_at + SEND_EVERY_S - time.monotonic()
        if wait <= 0 or len(self._lines) >= _MOST_LINES:
            self._send()
        elif self._timer is None:
            self._timer = threading.Timer(wait, self._send_later)
            self._timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no thread can be started: the next report brings it along
                self._timer.start()

    def _send_later(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._send()

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._last is None and not self._lines:
            return
        message = ChildReport(self._last is not None, *(self._last or (None, None)), tuple(self._lines))
        self._last, self._lines, self._sent_at = None, [], time.monotonic()
        with contextlib.suppress(OSError):  # the runner is gone: this process ends with its answer
            self._channel.sendall(packed(message))


def packed(message: Any) -> bytes:
    """A message as it goes through the channel: its length in 8 bytes, and its bytes."""
    data = pickle.dumps(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data

"""Which messages a receiver has handled, so that a repeat runs nothing."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from aiojobs_lite.clock import MICROSECONDS, Clock, SystemClock
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.handlers.checks import check_clock

_KEEP_FOR: Final = "7d"  # longer than most senders try again


class MessageStatus(Enum):
    """How a message stands that has come in."""

    NEW = "new"
    """It was not handled, or not to the end: handle it."""

    RUNNING = "running"
    """Its handler runs."""

    HANDLED = "handled"
    """Its handler has answered 2xx."""


class Inbox(Protocol):
    """Remembers messages by a key, which is text without a line break.

    A message is handled at least once: it is remembered after its handler has answered 2xx, and not before.
    """

    async def begin(self, key: str) -> MessageStatus:
        """How a message stands; if it is new, it is running from now on. Of several calls at once one gets NEW."""

    async def keep(self, key: str) -> None:
        """Remembers that a running message was handled."""

    async def release(self, key: str) -> None:
        """Makes a running message new again: its handler has failed."""


class MemoryInbox:
    """An inbox in the memory of this process: for tests, and for a receiver that has one process.

    Args:
        keep_for: How long a handled message is remembered: longer than the sender tries again.
        clock: The clock; default: the machine's.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    def __init__(self, *, keep_for: Duration = _KEEP_FOR, clock: Clock | None = None) -> None:
        self._keep_for = round(seconds(keep_for, "keep_for") * MICROSECONDS)
        self._clock = SystemClock() if clock is None else check_clock("clock", clock)
        self._running: set[str] = set()
        self._handled: dict[str, int] = {}  # when each was, the earliest first

    async def begin(self, key: str) -> MessageStatus:
        """How a message stands; if it is new, it is running from now on."""
        self._forget()
        if key in self._handled:
            return MessageStatus.HANDLED
        if key in self._running:
            return MessageStatus.RUNNING
        self._running.add(key)
        return MessageStatus.NEW

    async def keep(self, key: str) -> None:
        """Remembers that a running message was handled."""
        self._running.discard(key)
        self._handled[key] = self._clock.now()

    async def release(self, key: str) -> None:
        """Makes a running message new again."""
        self._running.discard(key)

    def _forget(self) -> None:
        """Forgets what was handled long ago."""
        latest = self._clock.now() - self._keep_for
        while self._handled and next(iter(self._handled.values())) <= latest:
            del self._handled[next(iter(self._handled))]

"""Which callers may be served inline, in one turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_MOST_UNITS: Final = 16  # of one caller in one turn


class InlineTurn:
    """One turn of the event loop: a lone caller is served inline, some units long.

    Many callers are better served together, in this turn and in the next; and the host must have its turn.
    """

    def __init__(self) -> None:
        self._callers: set[asyncio.Task[Any] | None] = set()
        self._left = _MOST_UNITS

    def admit(self) -> bool:
        """Counts the caller, which is the current task; returns whether it may be served inline."""
        if len(self._callers) > 1:
            return False
        if not self._callers:
            asyncio.get_running_loop().call_soon(self._end)
        self._callers.add(asyncio.current_task())
        if self._left == 0 or len(self._callers) > 1:
            return False
        self._left -= 1
        return True

    def _end(self) -> None:
        self._left = 0 if len(self._callers) > 1 else _MOST_UNITS
        self._callers.clear()

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
        self._caller: asyncio.Task[Any] | None = None  # the first one; None may be one, too
        self._is_begun = self._has_others = False
        self._left = _MOST_UNITS

    def admit(self) -> bool:
        """Counts the caller, which is the current task; returns whether it may be served inline."""
        if self._has_others:
            return False
        caller = asyncio.current_task()
        if not self._is_begun:
            asyncio.get_running_loop().call_soon(self._end)
            self._is_begun, self._caller = True, caller
        elif caller is not self._caller:
            self._has_others = True
            return False
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def _end(self) -> None:
        self._left = 0 if self._has_others else _MOST_UNITS
        self._is_begun = self._has_others = False
        self._caller = None

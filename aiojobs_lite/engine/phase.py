"""Where an engine stands in its life."""

from __future__ import annotations

import asyncio
from enum import IntEnum


class Phase(IntEnum):
    """Where an engine stands in its life. It goes on, never back, and may leave phases out."""

    NEW = 0
    STARTING = 1  # parts run, and jobs can be enqueued, but none is claimed
    RUNNING = 2
    DRAINING = 3  # nothing more is claimed, no tick fires; enqueuing still works
    CLOSING = 4  # the same, and what follows the drain is the end
    CLOSED = 5  # nothing more is written


class Progress:
    """The phase of one engine, which can be awaited."""

    def __init__(self) -> None:
        self._phase = Phase.NEW
        self._phase_ended = asyncio.Event()

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._phase

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is claimed, for good."""
        return self._phase >= Phase.DRAINING

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is written."""
        return self._phase is Phase.CLOSED

    def go_on_to(self, phase: Phase) -> None:
        """Enters a phase, if it is not reached yet."""
        if phase > self._phase:
            self._phase = phase
            ended, self._phase_ended = self._phase_ended, asyncio.Event()
            ended.set()

    async def until(self, phase: Phase) -> None:
        """Returns when a phase, or one after it, is reached."""
        while self._phase < phase:
            await self._phase_ended.wait()

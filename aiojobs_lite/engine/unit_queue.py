"""The units that wait for the next transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiojobs_lite.clock import Alarm
from aiojobs_lite.engine.entries import Cohort, Entry, fail
from aiojobs_lite.errors import RunnerClosed, StoreError
from aiojobs_lite.model.writes import Unit

UNITS_TOGETHER: Final = 250  # a transaction; more would hold the event loop for too long


class UnitQueue:
    """What waits: the engine's own units first, then those of callers, each in the order of their coming.

    The engine's own go first because callers that wait for a slot wait for them.

    Args:
        alarm: Is rung when a caller's unit comes.

    Attributes:
        kept: The engine's own, which are repeated until they are saved.
        waiting: Those of callers.
        cohort: The steps among these that take more steps, or None.
    """

    __slots__ = ("_alarm", "cohort", "kept", "waiting")

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self.kept: list[Entry] = []
        self.waiting: list[Entry] = []
        self.cohort: Cohort | None = None

    def add(self, unit: Unit) -> asyncio.Future[Any]:
        """Takes a caller's unit; returns the answer to come: of a unit of one write that of the write, else a list."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((unit, future, None))
        self._alarm.ring()
        return future

    def add_steps(self, steps: Cohort) -> None:
        """Takes steps that ran; they take more steps, unless others do: beside full ones each waits by itself."""
        self.cohort = self.cohort or steps
        self.waiting.append(steps.entry)
        self._alarm.ring()

    def take(self) -> list[Entry]:
        """Takes out what goes together."""
        entries, self.kept, self.cohort = self.kept[:UNITS_TOGETHER], self.kept[UNITS_TOGETHER:], None
        left = UNITS_TOGETHER - len(entries)
        entries += self.waiting[:left]
        del self.waiting[:left]
        return entries

    def next_of_callers(self) -> list[Entry]:
        """The units of callers that may go next."""
        return self.waiting[:UNITS_TOGETHER]

    def put_back(self, entries: Sequence[Entry], error: StoreError) -> None:
        """Keeps the engine's own of these that could not be saved; the callers of the others get the error."""
        self.kept[:0] = [entry for entry in entries if entry[1] is None]
        for entry in entries:
            if entry[1] is not None:
                fail(entry, error)

    def refuse(self, error: Callable[[], StoreError | RunnerClosed]) -> None:
        """Lets the callers fail that wait."""
        waiting, self.waiting, self.cohort = self.waiting, [], None
        for entry in waiting:
            fail(entry, error())

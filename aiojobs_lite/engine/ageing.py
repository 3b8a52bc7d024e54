"""Has the priority of jobs rise that have waited for long, so that none waits for ever behind those of a higher one."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.clock import Clock, after, sleep
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.model.ageing import MOST_RAISED, RaisePriorities

_LONGEST_ROUND_S: Final = 30.0
_ROUNDS: Final = 4  # in the time by which a priority rises


class Ageing:
    """Raises priorities from time to time. The claim knows nothing of it.

    Args:
        clock: The time.
        commits: Makes it durable.
        age: Seconds that a job waits until it is at least of medium priority; after twice as long it is of high one.
            None: nothing is ever raised.
    """

    def __init__(self, *, clock: Clock, commits: Commits, age: float | None) -> None:
        self._clock = clock
        self._commits = commits
        self._age = age

    async def run(self) -> None:
        """Raises, until it is cancelled."""
        every = _LONGEST_ROUND_S if self._age is None else min(self._age / _ROUNDS, _LONGEST_ROUND_S)
        while True:
            await sleep(self._clock, every)
            if self._age is not None:
                await self.look(self._age)

    async def look(self, age: float) -> None:
        """Raises what has waited for long, some at a time."""
        now = self._clock.now()
        write = RaisePriorities(after(now, -age), after(now, -2 * age), MOST_RAISED)
        while await self._commits.write(write) == MOST_RAISED:
            pass

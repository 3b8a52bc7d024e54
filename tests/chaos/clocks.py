"""The wall clock of a run, which the killer steps; and from what it showed back to the instants of CLOCK_MONOTONIC."""

from __future__ import annotations

import math
import mmap
import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, SystemClock
from tests.chaos.journal import Record

STEPS: Final = (-3600, 3600, -3600, 3600, -600, 600, 600, 90, -90, 86_400, -86_400)  # seconds
_APART: Final = 20.0  # seconds between what two eras show
_FARTHEST: Final = 23 * 3600  # seconds from the machine's clock; a tick is remembered for two days
_SECONDS: Final = struct.Struct("q")


@dataclass(frozen=True)
class Era:
    """The time between two steps of the clock.

    Attributes:
        start: Its first instant, by CLOCK_MONOTONIC.
        end: Its last.
        ahead: By how many seconds the stepped clock is ahead of CLOCK_MONOTONIC.
        is_latest: Whether no era before showed a later time.
    """

    start: float
    end: float
    ahead: float
    is_latest: bool = True

    def instant(self, shown: float) -> float | None:
        """When the clock showed this, or None if it was not in this era."""
        found = shown - self.ahead
        return found if self.start - 0.1 <= found <= self.end + 0.1 else None


def eras_of(records: Sequence[Record]) -> list[Era]:
    """The eras of a run, in their order."""
    ahead = next((record.facts["ahead"] for record in records if record.what == "forked"), 0.0)
    steps = [(record.time, record.facts["offset"]) for record in records if record.what == "stepped"]
    first, last = (records[0].time, records[-1].time) if records else (0.0, 0.0)
    starts = [(first, 0), *steps]
    ends = [*(at for at, _ in steps), last]
    eras: list[Era] = []
    latest = -math.inf
    for (start, offset), end in zip(starts, ends, strict=True):
        eras.append(Era(start, end, ahead + offset, start + offset >= latest))
        latest = max(latest, end + offset)
    return eras


def instant_of(eras: list[Era], shown: float) -> float | None:
    """When the clock showed this: no two eras show the same. None if it never did."""
    return next((found for era in eras if (found := era.instant(shown)) is not None), None)


class SteppedClock(SystemClock):
    """The machine's clock and an offset, which all processes forked after this was made share."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SECONDS.size)

    @property
    def offset(self) -> int:
        """By how many seconds it is ahead of the machine's clock."""
        found: int = _SECONDS.unpack_from(self._shared)[0]
        return found

    def step_to(self, offset: int) -> None:
        """Sets it, for all processes."""
        _SECONDS.pack_into(self._shared, 0, offset)

    def now(self) -> int:
        """The wall clock: microseconds since 1970 UTC."""
        return super().now() + self.offset * MICROSECONDS


class Steps:
    """Chooses steps after which the clock shows nothing that it has shown before: each reading stands for one instant.

    Args:
        chance: The randomness.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._since = time.monotonic()
        self._shown: list[tuple[float, float]] = []
        self._offset = 0

    def next(self, now: float, longest: float) -> int | None:
        """The next offset, for an era of at most so many seconds; None if there is none now."""
        self._note(now)
        for step in self._chance.sample(STEPS, len(STEPS)):
            offset = self._offset + step + self._chance.randint(-30, 30)
            first, last = now + offset - _APART, now + offset + longest + _APART
            if abs(offset) < _FARTHEST and all(last < shown[0] or first > shown[1] for shown in self._shown):
                self._offset, self._since = offset, now
                return offset
        self._since = now
        return None

    def last(self, now: float) -> int:
        """An offset with which it shows more than it ever did: whatever waits for a time is due."""
        self._note(now)
        return round(max(shown[1] for shown in self._shown) - now) + 3600

    def _note(self, now: float) -> None:
        self._shown.append((self._since + self._offset, now + self._offset))

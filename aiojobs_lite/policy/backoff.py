"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_BACKOFFS, answers

_LARGEST_EXPONENT = 60  # beyond it every backoff is at its cap


@answers(WORDS_OF_BACKOFFS)
class Backoff:
    """The wait before the next attempt: `min(cap, base * 2**(n-1))` seconds, times a random 0.5 to 1.

    Args:
        base: The longest wait after the first attempt, more than zero.
        cap: The longest wait, at least `base`.

    Raises:
        InvalidOption: If one of them is out of range.
    """

    __slots__ = ("base", "cap")

    def __init__(self, base: Duration = 2.0, cap: Duration = 3600.0) -> None:
        self.base = seconds(base, "base", least=0.001)
        self.cap = seconds(cap, "cap")
        if self.cap < self.base:
            raise InvalidOption("cap", cap, f"at least base, {show_duration(self.base)}")

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after attempt number `attempt` (from 1); `chance` returns 0 to 1."""
        full = min(self.cap, self.base * 2.0 ** min(attempt - 1, _LARGEST_EXPONENT))
        return full * (0.5 + 0.5 * chance())

    def __repr__(self) -> str:
        return f"Backoff(base='{show_duration(self.base)}', cap='{show_duration(self.cap)}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backoff) and (self.base, self.cap) == (other.base, other.cap)

    def __hash__(self) -> int:
        return hash((self.base, self.cap))

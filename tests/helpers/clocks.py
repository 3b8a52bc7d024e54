"""Clocks of tests, and what a wall clock does that no timer of it knows of."""

from __future__ import annotations

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.testing.clock import FakeClock


def step_unnoticed(clock: FakeClock, seconds: float) -> None:
    """Moves the hands of a clock: no timer rings, as if the wall clock of a machine were set."""
    clock._now += round(seconds * MICROSECONDS)


def has_timer(clock: FakeClock) -> bool:
    """Whether something waits for a time of a clock."""
    return any(timer.callback for *_, timer in clock._timers)

"""Which values limits and rates may have, where code declares them and where an operator changes them."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption

ORDERED: Final = "ordered"
"""Stands in the lane of an ordered job in place of its priority, and in the name of its limit."""

STARTS: Final = "starts"
"""Stands in the name of a rate that counts the first attempt of each job alone."""

UNLIMITED: Final = 1_000_000
"""The most that a limit or a rate allows: more than ever run or start."""


def check_most(most: object) -> int:
    """How many a limit allows.

    Raises:
        InvalidOption: If it cannot be that.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= UNLIMITED:
        raise InvalidOption("most", most, f"a whole number from 1 to {UNLIMITED:,}")
    return most


def period_of(per: Duration) -> int:
    """The period of a rate in microseconds.

    Raises:
        InvalidOption: If it cannot be one.
    """
    return round(seconds(per, "per", least=0.001) * 1_000_000)


def is_name_of_ordered(name: str) -> bool:
    """Whether a limit of this name has `ordered=True`: it allows one job at once, and no other value."""
    return name.rpartition(": ")[2].startswith(f"{ORDERED} by ")


def is_name_of_starts(name: str) -> bool:
    """Whether a rate of this name has `counts="jobs"`: it counts the first attempt of each job alone."""
    return name.rpartition(": ")[2].startswith(f"{STARTS} by ")

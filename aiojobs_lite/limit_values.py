"""Which values limits and rates may have, where code declares them and where an operator changes them."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption

ORDERED: Final = "ordered"
"""Stands in the lane of an ordered job in place of its priority, and in the name of its limit."""

_MOST_AT_ONCE: Final = 1_000_000


def check_most(most: object) -> int:
    """How many a limit allows.

    Raises:
        InvalidOption: If it cannot be that.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST_AT_ONCE:
        raise InvalidOption("most", most, f"a whole number from 1 to {_MOST_AT_ONCE:,}")
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

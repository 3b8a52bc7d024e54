"""Durations as people write them: `30`, `timedelta(...)`, `"30s"`, `"1h30m"`, `"7d"`."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.text import show_duration

Duration = float | int | str | timedelta
"""Seconds as a number, a `timedelta`, or text: a chain of numbers with `ms`, `s`, `m`, `h`, `d` or `w`; one without is
seconds."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_EXPECTED = 'seconds, a timedelta, or text such as "30s", "5m", "1h30m", "7d"'
LONGEST_S = 100 * 366 * 86400.0  # a century: what is longer is a mistake, and would overflow a datetime


def seconds(value: Duration, option: str = "duration", *, least: float = 0.0) -> float:
    """Turns a duration into seconds.

    Args:
        value: What the user wrote.
        option: Its name, for the error.
        least: The smallest value that is allowed, in seconds.

    Returns:
        Seconds, finite, at least `least` and at most a century.

    Raises:
        InvalidOption: If the value is not a duration, or is out of range.
    """
    if isinstance(value, bool):
        raise InvalidOption(option, value, _EXPECTED)
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            text += "s"  # as of a number, and as headers and environments have it
        if not _WHOLE.fullmatch(text):
            raise InvalidOption(option, value, _EXPECTED)
        total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    elif isinstance(value, timedelta):
        total = value.total_seconds()
    elif isinstance(value, int | float):
        total = float(value) if abs(value) <= LONGEST_S else math.inf  # an integer may be too big for a float
    else:
        raise InvalidOption(option, value, _EXPECTED)
    if not math.isfinite(total) or total < least or total > LONGEST_S:
        raise InvalidOption(option, value, f"{_EXPECTED}, from {show_duration(least)} to a century")
    return total

"""Durations and instants as SDKs write them: `1m30s`, `2d`, `1h30.5s`, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidOption

LONGEST_SLEEP_S: Final = 366 * 86_400
"""Of a sleep, and of a wait for an event or another function."""

_MICROS: Final = {
    "ns": 1e-3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3_600e6, "d": 86_400e6,
    "w": 604_800e6,
}  # fmt: skip
_PART: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(ns|us|µs|μs|ms|s|m|h|d|w)")
_WHOLE: Final = re.compile(rf"\+?(?:{_PART.pattern})+")
_LONGEST_CHARS: Final = 200
_SECOND: Final = 1_000_000
_EXPECTED: Final = "a duration such as 30s, 1h30m or 2d"
_AT_MOST: Final = "at most 366 days"


def micros(text: object, option: str) -> int:
    """A duration in microseconds.

    Args:
        text: The duration.
        option: What it is for, for errors.

    Raises:
        InvalidOption: If it is none, or longer than 366 days.
    """
    if not isinstance(text, str):
        raise InvalidOption(option, text, _EXPECTED)
    given = text.strip() if len(text) <= _LONGEST_CHARS else ""
    if given == "0":
        return 0
    if not _WHOLE.fullmatch(given):
        raise InvalidOption(option, text, _EXPECTED)
    total = sum(float(number) * _MICROS[unit] for number, unit in _PART.findall(given))
    if total > LONGEST_SLEEP_S * _SECOND:
        raise InvalidOption(option, text, f"{_EXPECTED}, {_AT_MOST}")
    return round(total)


def instant_of(text: object, option: str, now: int) -> int:
    """The instant that a duration or a date means, in microseconds: now at the earliest.

    Raises:
        InvalidOption: If it is neither, or lies more than 366 days ahead.
    """
    at = date(text)
    if at is None:
        return now + micros(text, option)
    if at - now > LONGEST_SLEEP_S * _SECOND:
        raise InvalidOption(option, text, f"{_EXPECTED}, or a date, {_AT_MOST} ahead")
    return max(now, at)


def date(text: object) -> int | None:
    """The instant of a date of ISO 8601, in microseconds; None: it is none. Without a zone it is UTC."""
    try:
        is_date = isinstance(text, str) and "-" in text and len(text) <= _LONGEST_CHARS
        found = datetime.fromisoformat(str(text).strip()) if is_date else None
        return None if found is None else to_micros(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None

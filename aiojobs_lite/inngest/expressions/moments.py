"""Instants and durations: from text and numbers, and as text again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(
    r"""(?P<day>\d{4}-\d\d-\d\d)
    (?:[Tt ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?[ ]?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?""",
    re.ASCII | re.VERBOSE,
)
_LONGEST_DATE_CHARS: Final = 100
_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_DURATION: Final = re.compile(rf"([+-]?)((?:{_PART.pattern})+)", re.ASCII)
_LONGEST_DURATION_CHARS: Final = 50
_NANOSECONDS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6,
    "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9,
}  # fmt: skip
_YEAR_2000: Final = 946_684_800
_SECONDS_BELOW: Final = 10**10  # a number below is one of seconds
_MILLISECONDS_BELOW: Final = 10**13  # below this one of milliseconds, above of nanoseconds
_MICROSECOND: Final = timedelta(microseconds=1)


def instant_of_text(text: str) -> datetime | None:
    """The instant of a date of ISO 8601 or of a mail, such as `2026-01-02`; without an offset it is in UTC."""
    if len(text) > _LONGEST_DATE_CHARS:
        return None
    try:
        found = _DATE.fullmatch(text)
        if found is None:
            instant = parsedate_to_datetime(text)
        else:
            fraction = f".{found['fraction'][:6]:0<6}" if found["fraction"] else ""
            zone = (found["zone"] or "").upper()
            instant = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00:00'}{fraction}{zone}")
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):  # of dates that no calendar has
        return None


def instant_of_number(number: float) -> datetime | None:
    """The instant so many seconds, milliseconds or nanoseconds after 1970; which, its size says. None before 2000."""
    if not _YEAR_2000 <= number < 10**19:
        return None
    whole = int(number)
    if whole < _SECONDS_BELOW:
        return instant_of_seconds(whole)
    return _EPOCH + (
        timedelta(milliseconds=whole) if whole < _MILLISECONDS_BELOW else timedelta(microseconds=whole // 1000)
    )


def instant_of_seconds(seconds: float) -> datetime | None:
    """The instant so many seconds after 1970."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def duration_of_text(text: str) -> timedelta | None:
    """A duration such as `6h35m10s` or `-1.5d`, to the microsecond."""
    if len(text) > _LONGEST_DURATION_CHARS:
        return None
    if text == "0":
        return timedelta()
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    try:
        nanoseconds = sum(_nanoseconds(number, _NANOSECONDS[unit]) for number, unit in _PART.findall(found[2]))
        return timedelta(microseconds=nanoseconds // 1000) * (-1 if found[1] == "-" else 1)
    except OverflowError:
        return None


def _nanoseconds(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole + fraction or "0") * unit // int(10 ** len(fraction))


def text_of_instant(instant: datetime) -> str:
    """The instant in UTC, as RFC 3339 has it: a fraction only where it has one."""
    return instant.isoformat().replace("+00:00", "Z")


def text_of_duration(duration: timedelta) -> str:
    """The duration in seconds, such as `90s` or `-0.5s`."""
    micros = duration // _MICROSECOND
    whole, fraction = divmod(abs(micros), 10**6)
    return f"{'-' if micros < 0 else ''}{whole}{f'.{fraction:06}'.rstrip('0') if fraction else ''}s"


def seconds_of(instant: datetime) -> int:
    """Whole seconds after 1970."""
    return (instant - _EPOCH) // timedelta(seconds=1)

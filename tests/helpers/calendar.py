"""When a cron expression fires, by brute force: what is written about it, applied to every second of real time.

Knows neither croniter nor the package. Real time is walked through step by step; the local clock is read at each.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=length) for length in (1, 60, 3600, 86400))
_MONTHS = dict(
    zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), range(1, 13), strict=True)
)
_DAYS = dict(zip(("sun", "mon", "tue", "wed", "thu", "fri", "sat"), range(7), strict=True))
_RUN_IN = 3 * HOUR  # longer than any hour that is repeated: what was shown before is known


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """An instant."""
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@dataclass(frozen=True)
class Rule:
    """A cron expression, read as its documentation says."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    day: str
    weekday: str
    is_fixed: bool

    @classmethod
    def of(cls, expression: str) -> Rule:
        """Reads five fields, or six with the second first."""
        *second, minute, hour, day, month, weekday = expression.lower().replace("?", "*").split()
        return cls(
            _values(second[0] if second else "0", 0, 59), _values(minute, 0, 59), _values(hour, 0, 23),
            _values(month, 1, 12, _MONTHS), day, weekday, is_fixed=minute[0] != "*" and hour[0] != "*",
        )  # fmt: skip

    def matches(self, local: datetime) -> bool:
        """Whether the local clock shows a time of it."""
        return (
            local.second in self.seconds
            and local.minute in self.minutes
            and local.hour in self.hours
            and local.month in self.months
            and _is_day(self.day, self.weekday, local.year, local.month, local.day)
        )


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """What a list of values, ranges and steps stands for; a range may run over the end, as 22-2 does."""
    known = names or {}
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        last = "31" if last == "l" else last
        begin = low if span == "*" else known.get(first) or int(first)
        last = last or ("" if span == "*" or step else first)
        end = (known.get(last) or int(last)) if last else high
        if end < begin:
            end += high - low + 1
        found |= {low + (value - low) % (high - low + 1) for value in range(begin, end + 1, int(step or 1))}
    return frozenset(found)


@lru_cache(100_000)
def _is_day(day: str, weekday: str, year: int, month: int, number: int) -> bool:
    """Whether a date is one of those named: by both fields if one is `*`, by either if both are given."""
    last = calendar.monthrange(year, month)[1]
    by_day, by_weekday = _by_day(day, year, month, number, last), _by_weekday(weekday, year, month, number, last)
    return by_day or by_weekday if "*" not in {day, weekday} else by_day and by_weekday


def _by_day(field: str, year: int, month: int, number: int, last: int) -> bool:
    if field.endswith("w"):  # the working day nearest to it, in the same month
        wanted = min(int(field[:-1]), last)
        working = [other for other in range(1, last + 1) if calendar.weekday(year, month, other) < 5]
        return number == min(working, key=lambda other: (abs(other - wanted), other))
    plain = [part for part in field.split(",") if part != "l"]
    return ("l" in field.split(",") and number == last) or (bool(plain) and number in _values(",".join(plain), 1, 31))


def _by_weekday(field: str, year: int, month: int, number: int, last: int) -> bool:
    today = (calendar.weekday(year, month, number) + 1) % 7
    for part in field.split(","):
        name, _, which = part.partition("#")
        if part.startswith("l"):
            found = today == int(part[1:]) % 7 and number + 7 > last
        elif which:
            found = today in _weekdays(name) and (number + 6) // 7 == int(which)
        else:
            found = today in _weekdays(part)
        if found:
            return True
    return False


def _weekdays(part: str) -> frozenset[int]:
    if part.startswith("*"):
        part = part.replace("*", "0-6")
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    begin, end = (_DAYS[name] if name in _DAYS else int(name) for name in (first, last or first))
    if slash and not dash:
        end = 6
    if end < begin:
        end += 7
    return frozenset(value % 7 for value in range(begin, end + 1, int(step or 1)))


class Moment(NamedTuple):
    """One step of real time.

    Attributes:
        instant: Which.
        local: What the local clock shows.
        new: Every time that it shows now or has left out, and never showed before.
    """

    instant: datetime
    local: datetime
    new: list[datetime]


@lru_cache(64)
def moments(tz: str, start: datetime, end: datetime, step: timedelta) -> list[Moment]:
    """Every step of (start, end]."""
    zone = ZoneInfo(tz)
    instant, found = start - _RUN_IN, []
    latest = _local(instant, zone)
    while instant < end:
        instant += step
        local = _local(instant, zone)
        new = [latest + step * number for number in range(1, (local - latest) // step + 1)]
        latest = max(latest, local)
        if instant > start:
            found.append(Moment(instant, local, new))
    return found


def ticks(expression: str, tz: str, start: datetime, end: datetime, step: timedelta = MINUTE) -> list[datetime]:
    """The ticks in (start, end].

    A fixed time counts once: when the clock first shows it, or leaves it out. Any other whenever the clock shows it.
    """
    rule = Rule.of(expression)
    return [
        moment.instant
        for moment in moments(tz, start, end, step)
        if (any(map(rule.matches, moment.new)) if rule.is_fixed else rule.matches(moment.local))
    ]


@lru_cache(64)
def changes(tz: str, year: int) -> list[datetime]:
    """The instants of a year, to the minute, at which the clock of a zone is changed."""
    zone, found = ZoneInfo(tz), []
    hours = [utc(year, 1, 1) + HOUR * number for number in range(366 * 24)]
    for hour in hours:
        if hour.astimezone(zone).utcoffset() != (hour + HOUR).astimezone(zone).utcoffset():
            minute = hour
            while hour.astimezone(zone).utcoffset() == minute.astimezone(zone).utcoffset():
                minute += MINUTE
            found.append(minute)
    return found


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)

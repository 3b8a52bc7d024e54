"""Schedules that fire each so many minutes of real time, the delays by which ticks spread, and the text of both.

A stored schedule is one text: a cron expression, or `@every 45m`, perhaps with `phase=10m`; behind either perhaps
`jitter=30s`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiojobs_lite.clock import LAST_INSTANT, MICROSECONDS, to_datetime, to_micros
from aiojobs_lite.cron import CronSchedule, check_zone, named_schedule
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption, InvalidSchedule
from aiojobs_lite.text import show

_SHORTEST_INTERVAL_S: Final = 1.0
_LONGEST_INTERVAL_S: Final = 365 * 86400.0
_LONGEST_JITTER_S: Final = 86400.0
_MILLISECOND: Final = 1_000  # microseconds
_EVERY: Final = "@every"
_INTERVAL: Final = re.compile(r"@every\s+(\S+)(?:\s+phase=(\S+))?", re.ASCII | re.IGNORECASE)
_JITTER: Final = re.compile(r"(.*\S)\s+jitter=(\S+)\s*", re.ASCII | re.IGNORECASE | re.DOTALL)
_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}  # milliseconds
_FORM: Final = 'write every("45m"), or every("45m", phase="10m")'


def every(interval: Duration, *, phase: Duration | None = None) -> str:
    """An interval, in place of a cron expression: `@runner.cron(every("45m"))`.

    The ticks lie at whole intervals of real time, which no time zone and no daylight saving time moves. All processes
    and all starts have the same ones.

    Args:
        interval: From one tick to the next: a second to 365 days, in whole milliseconds.
        phase: When the ticks lie: so long after midnight of 1 January 1970 in UTC, and whole intervals later. None: an
            instant of the interval that is derived from the name of the schedule, so that schedules of one interval do
            not all fire together.

    Returns:
        The text of the expression: `@every 45m`.

    Raises:
        InvalidOption: If one of them cannot work.
    """
    length = seconds(interval, "interval", least=_SHORTEST_INTERVAL_S)
    if length > _LONGEST_INTERVAL_S:
        raise InvalidOption("interval", interval, "at most 365 days")
    text = f"{_EVERY} {_duration('interval', interval)}"
    if phase is None:
        return text
    if seconds(phase, "phase") >= length:
        raise InvalidOption("phase", phase, "less than the interval")
    return f"{text} phase={_duration('phase', phase)}"


def jitter_of(jitter: Duration, schedule: CronSchedule | IntervalSchedule) -> str:
    """The jitter of a schedule as it is stored; empty if there is none.

    Raises:
        InvalidOption: If it cannot work.
    """
    most = seconds(jitter, "jitter")
    if most > _LONGEST_JITTER_S:
        raise InvalidOption("jitter", jitter, "at most a day")
    if isinstance(schedule, IntervalSchedule) and most * MICROSECONDS >= schedule.length:
        raise InvalidOption("jitter", jitter, "less than the interval")
    return _duration("jitter", jitter) if most else ""


def split_jitter(expression: str) -> tuple[str, str]:
    """The expression of a stored text, and its jitter: empty without one."""
    found = _JITTER.fullmatch(expression)
    return (found[1], found[2]) if found else (expression, "")


def delay_of_tick(expression: str, name: str, tick: int) -> int:
    """How much later than its instant the job of a tick is due, in microseconds: the same in all processes.

    Args:
        expression: As it is stored.
        name: The name of the schedule.
        tick: The instant, in microseconds.
    """
    _, jitter = split_jitter(expression)
    return _derived(f"{name}\0{tick}", round(seconds(jitter, "jitter") * MICROSECONDS) + 1) if jitter else 0


def read_schedule(expression: str | CronSchedule, tz: str, name: str) -> CronSchedule | IntervalSchedule:
    """When a schedule of this name fires, by its expression as it is given or stored; a jitter counts for nothing.

    Raises:
        InvalidSchedule: If it cannot work.
        InvalidOption: If a zone stands beside a `CronSchedule` of another one.
    """
    if not isinstance(expression, str):
        return named_schedule(expression, tz, name)
    text, _ = split_jitter(expression)
    return IntervalSchedule(text, tz, name) if _is_interval(text) else named_schedule(text, tz, name)


@dataclass(frozen=True)
class IntervalSchedule:
    """When an interval fires. Immutable; answers as `CronSchedule` does.

    Attributes:
        expression: What `every` returns.
        tz: Name of the time zone in which its ticks are shown; it moves none.
        name: That of the schedule: its phase is derived from it, if it has none of its own.
        normal: The expression however it was written.
        length: From one tick to the next, in microseconds.
        phase: When one of the ticks lies, in microseconds after 1970.

    Raises:
        InvalidSchedule: If the expression cannot work, or the zone is unknown.
    """

    expression: str
    tz: str
    name: str
    normal: str = field(init=False, compare=False)
    length: int = field(init=False, compare=False)
    phase: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        found = _INTERVAL.fullmatch(self.expression.strip())
        if found is None:
            raise InvalidSchedule(self.expression, "expression", f"an interval cannot be read; {_FORM}")
        try:
            normal = every(found[1], phase=found[2])
        except InvalidOption as error:
            raise InvalidSchedule(self.expression, error.option, f"{error}; {_FORM}") from error
        check_zone(self.expression, self.tz)
        length = round(seconds(found[1]) * MICROSECONDS)
        phase = round(seconds(found[2]) * MICROSECONDS) if found[2] else self._own_phase(length)
        self.__dict__.update(normal=normal, length=length, phase=phase)  # it is frozen

    def _own_phase(self, length: int) -> int:
        """A whole second of the interval."""
        return _derived(self.name, length // MICROSECONDS) * MICROSECONDS

    def next_after(self, instant: datetime) -> datetime:
        """The first tick strictly after an instant, aware, in UTC.

        Raises:
            InvalidSchedule: If the instant is naive, or so late that no tick follows (field `instant`).
        """
        return self._tick(self._latest(instant) + 1)

    def upcoming(self, instant: datetime, count: int) -> list[datetime]:
        """The first `count` ticks strictly after an instant, oldest first; see `next_after`."""
        latest = self._latest(instant)
        return [self._tick(latest + n) for n in range(1, count + 1)]

    def latest_between(self, start: datetime, end: datetime, most: int = 1) -> list[datetime]:
        """The last ticks in (start, end], at most so many, oldest first; see `next_after`."""
        before, latest = self._latest(start), self._latest(end)
        return [self._tick(n) for n in range(max(before, latest - most) + 1, latest + 1)]

    def _latest(self, instant: datetime) -> int:
        """The number of the last tick that is not after an instant."""
        if not isinstance(instant, datetime) or instant.utcoffset() is None:
            raise InvalidSchedule(self.expression, "instant", f"it is {show(instant)}; pass datetime.now(UTC)")
        return (to_micros(instant) - self.phase) // self.length

    def _tick(self, number: int) -> datetime:
        at = self.phase + number * self.length
        if at > LAST_INSTANT:
            raise InvalidSchedule(self.expression, "instant", "no tick follows; pass an earlier instant")
        return to_datetime(at)


def _is_interval(text: str) -> bool:
    return text.strip().lower().startswith(_EVERY)


def _derived(text: str, below: int) -> int:
    """A number from 0 on that is derived from a text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") % below


def _duration(option: str, value: Duration) -> str:
    """A duration as it is stored, however it was written: `1h30m`."""
    micros = round(seconds(value, option) * MICROSECONDS)
    if micros % _MILLISECOND:
        raise InvalidOption(option, value, "whole milliseconds")
    rest, parts = micros // _MILLISECOND, []
    for unit, size in _UNITS.items():
        number, rest = divmod(rest, size)
        parts += [f"{number}{unit}"] * (number > 0)
    return "".join(parts) or "0s"

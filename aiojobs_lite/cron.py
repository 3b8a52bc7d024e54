"""Cron schedules: croniter for the expression, and this module for the time zone with its two odd days of the year.

croniter is only asked which local times match: its own zone handling loses ticks in Lord Howe. The zone's part:

- Fixed time (neither minute nor hour starts with `*`): each local time counts once. Of a repeated hour the first pass
  fires; what falls into a skipped hour fires once, at its end.
- Otherwise: real time. Both passes of a repeated hour fire, a skipped hour does not exist.

Nor is it asked about two days at once (to it `1-31` beside `*/2` is `*`, and beside `15W` the other day counts for
nothing), or about a range with steps that wraps around the end of its field (to it 23-4/3 is 23 and 3).
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter

from aiojobs_lite.errors import InvalidOption, InvalidSchedule
from aiojobs_lite.text import show

_MOST_TICKS = 1_000_000  # of one list
LONGEST_EXPRESSION = 256  # characters; croniter's time grows faster than the text
_FIELDS = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day of month": "1-31, L or 15W",
    "month": "1-12 or jan-dec",
    "day of week": "0-7 or sun-sat (0 and 7 are Sunday), fri#2 or L5",
}
_FORM = "write five fields (minute, hour, day of month, month, day of week), or six with the second first"
# Spelled out: given a hash_id, croniter makes @daily a hashed time, and puts the seconds in the wrong place.
_ALIASES = {"@hourly": "0 * * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_ALIASES |= dict.fromkeys(("@daily", "@midnight"), "0 0 * * *") | dict.fromkeys(("@yearly", "@annually"), "0 0 1 1 *")
_ADVICE = {
    "@every": 'a CronSchedule has no intervals: a runner takes every("45m") of aiojobs_lite.schedules',
    "@reboot": "enqueue a job when the application starts",
}
# What croniter takes, but reads in a way its author did not mean: to it 9-9 is every hour. The first is for H alone.
_TRAPS = (
    (re.compile(r"(?:^|,)h(?:[(/,]|$)"), "H needs the name of the schedule, as hash_id=; or write the value"),
    (re.compile(r"(?:^|,)r(?:[(/,]|$)"), "R is random at every start; use H, or write the value"),
    (re.compile(r"(?:^|,)0*(\w+)-0*\1(?:[/,]|$)"), "a range of one value is misread; write 9 for 9-9, or *"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_VALUES: tuple[tuple[int, int, tuple[str, ...]], ...] = (  # first, last, and their names
    (0, 59, ()), (0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 6, _WEEKDAYS),
)  # fmt: skip
_RANGE_WITH_STEPS = re.compile(r"(?<![^,])(\d+|[a-z]{3})-(\d+|[a-z]{3})/(\d+)(?![^,])", re.ASCII)
_STEP = re.compile(r"(?:h\((\w+)-(\w+)\)|(\w+)-(\w+)|[*\w]+)/(\d+)", re.ASCII)
_START = datetime(2000, 1, 1)  # noqa: DTZ001  # any local time will do: what fires once, fires within 40 years
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_WINDOWS = (400 * _DAY, 31 * _DAY, _DAY, timedelta(hours=1), timedelta(minutes=1))


@dataclass(frozen=True)
class CronSchedule:
    """When a cron expression fires, by the clock of a time zone. Immutable; may be used from any thread.

    Attributes:
        expression: Minute, hour, day of month, month and day of week, or six fields with the second first, or one of
            `@hourly @daily @midnight @weekly @monthly @yearly @annually`; at most 256 characters. If both days are
            given, a day fits if one of them fits.
        tz: Name of the time zone in which it is read, such as `"Europe/London"`.
        hash_id: What `H` is derived from: the name of the schedule. Without it, `H` is refused.

    Raises:
        InvalidSchedule: If the expression is malformed or never fires, or the zone is unknown; `field` names the part.
    """

    expression: str
    tz: str = "UTC"
    hash_id: str | None = field(default=None, kw_only=True, repr=False)
    _crons: tuple[Any, ...] = field(init=False, repr=False, compare=False)  # any will do; croniter is untyped
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _fixed: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = _split(self.expression)
        if self.hash_id is not None and not isinstance(self.hash_id, str):
            raise InvalidOption("hash_id", self.hash_id, "the name of the schedule")
        crons, zone = _parse(self.expression, fields, self.hash_id), check_zone(self.expression, self.tz)
        if not crons:
            raise InvalidSchedule(self.expression, "day of month", "it never fires; name a day that exists")
        self.__dict__.update(_crons=crons, _zone=zone, _fixed="*" not in {fields[-5][0], fields[-4][0]})  # it is frozen

    @property
    def normal(self) -> str:
        """The expression however it was written: its fields in lower case, one blank between them, no alias."""
        return " ".join(_split(self.expression))

    def next_after(self, instant: datetime) -> datetime:
        """Finds the first tick strictly after an instant.

        Args:
            instant: Any aware datetime.

        Returns:
            The tick: aware, in UTC.

        Raises:
            InvalidSchedule: If the instant is naive, or so late that no tick follows (field `instant`).
        """
        start = self._utc(instant)
        try:
            return self._next_fixed(start) if self._fixed else self._next_real(start)
        except (ValueError, OverflowError) as error:  # how croniter and datetime say "after the year 9999"
            problem = f"no tick follows {start.isoformat()}; pass an earlier instant"
            raise InvalidSchedule(self.expression, "instant", problem) from error

    def upcoming(self, instant: datetime, count: int) -> list[datetime]:
        """Lists the first `count` ticks strictly after an instant, in UTC, oldest first.

        Args:
            instant: Any aware datetime.
            count: How many; below 1 gives none.

        Raises:
            InvalidSchedule: If the instant is naive, or too late for so many (field `instant`).
            InvalidOption: If `count` is no whole number.
        """
        return list(islice(self._ticks(instant), max(0, _whole("count", count))))

    def latest_between(self, start: datetime, end: datetime, most: int = 1) -> list[datetime]:
        """Lists the last ticks of a period. The time it takes depends on `most`, hardly on the period.

        Args:
            start: Begin of the period, aware, itself left out.
            end: End of the period, aware, itself included.
            most: How many ticks to give at most; below 1 gives none.

        Returns:
            The latest ticks in (start, end], in UTC, oldest first; all of them if they are fewer than `most`.

        Raises:
            InvalidSchedule: If an instant is naive, or so late that no tick follows (field `instant`).
            InvalidOption: If `most` is no whole number.
        """
        start, end, most = self._utc(start), self._utc(end), _whole("most", most)
        # Slices from the newest (last) to the oldest; one that proves too full to be listed is halved.
        slices = list(pairwise([start, *(end - window for window in _WINDOWS if end - start > window), end]))
        found: list[datetime] = []
        while slices and len(found) < most:
            low, high = slices.pop()
            ticks = list(islice(takewhile(high.__ge__, self._ticks(low)), most + 61))
            if len(ticks) > most + 60:
                middle = low + (high - low) / 2
                slices += [(low, middle), (middle, high)]
            else:
                found[:0] = ticks
        return found[-most:]

    def _ticks(self, instant: datetime) -> Iterator[datetime]:
        while True:
            instant = self.next_after(instant)
            yield instant

    def _next_local(self, local: datetime) -> datetime:
        """The first local time after `local` that matches, both naive."""
        return min(_next(cron, local) for cron in self._crons)

    def _next_fixed(self, instant: datetime) -> datetime:
        """The next tick of an expression for which each local time counts once."""
        zoned, local = instant.astimezone(self._zone), self._local(instant)
        if zoned.fold:  # these minutes have passed once: go on where the repetition ends
            change = self._change(zoned.replace(fold=0).astimezone(UTC), instant)
            local = self._local(change - _MICROSECOND)
        found = self._next_local(local)
        aware = found.replace(tzinfo=self._zone)
        tick = aware.astimezone(UTC)
        if self._local(tick) == found:
            return tick
        # In a gap. Read with the offset from before the change it lies after it, with the later one before it.
        return self._change(aware.replace(fold=1).astimezone(UTC), tick)

    def _next_real(self, instant: datetime) -> datetime:
        """The next tick of an expression that fires whenever the local time matches."""
        since = local = self._local(instant)
        while True:
            tick = instant + (self._next_local(since) - local)
            change = self._first_change(instant, tick)
            if change is None:
                return tick
            # The offset changes at this instant: begin anew at it, for it may itself be a tick.
            instant, local = change, self._local(change)
            since = local - timedelta(seconds=1)

    def _first_change(self, start: datetime, end: datetime) -> datetime | None:
        """The first instant in (start, end] at which the offset changes; no zone does it twice within a day."""
        while start < end:
            after = min(start + _DAY, end)
            if self._offset(after) != self._offset(start):
                return self._change(start, after)
            start = after
        return None

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The instant of the one change of the offset in (before, after]."""
        old = self._offset(before)
        while after - before > _MICROSECOND:
            middle = before + (after - before) // 2
            before, after = (middle, after) if self._offset(middle) == old else (before, middle)
        return after

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self._zone).utcoffset()

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _utc(self, instant: datetime) -> datetime:
        if not isinstance(instant, datetime):
            raise InvalidSchedule(self.expression, "instant", f"it is {show(instant)}; pass datetime.now(UTC)")
        if instant.utcoffset() is None:
            raise InvalidSchedule(self.expression, "instant", "it is naive; pass datetime.now(UTC)")
        try:
            return instant.astimezone(UTC)
        except OverflowError:
            problem = f"{instant.isoformat()} lies outside of the calendar in UTC"
            raise InvalidSchedule(self.expression, "instant", problem) from None


def named_schedule(expression: str | CronSchedule, tz: str, name: str) -> CronSchedule:
    """The schedule of an expression, or of a `CronSchedule`, with the `H` of a name.

    Raises:
        InvalidSchedule: If it cannot work.
        InvalidOption: If a zone stands beside a `CronSchedule` of another one.
    """
    if not isinstance(expression, CronSchedule):
        return CronSchedule(expression, tz, hash_id=name)
    if tz not in ("UTC", expression.tz):
        raise InvalidOption("tz", tz, f"none beside a CronSchedule: it has its own, {expression.tz!r}")
    return CronSchedule(expression.expression, expression.tz, hash_id=name)


def _whole(option: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value > _MOST_TICKS:
        raise InvalidOption(option, value, f"a whole number, at most {_MOST_TICKS:,}")
    return value


def _split(expression: str) -> list[str]:
    """The five or six fields, in lower case."""
    if not isinstance(expression, str):
        raise InvalidSchedule(expression, "expression", f'it is no text; {_FORM}, such as "0 3 * * *"')
    text = expression.strip().lower()
    fields = re.findall(r"\S+", _ALIASES.get(text, text), re.ASCII)
    if len(expression) > LONGEST_EXPRESSION:
        problem = f"it has {len(expression):,} characters; at most {LONGEST_EXPRESSION} are allowed"
    elif fields and fields[0].startswith("@"):
        problem = f"{fields[0]} is not supported; {_ADVICE.get(fields[0], _FORM)}"
    elif re.match(r"(cron_)?tz=", text):
        problem = 'a time zone is no part of it; pass tz="Europe/London"'
    elif len(fields) not in {5, 6}:
        problem = f"it has {len(fields)} fields; {_FORM}"
    else:
        return fields
    raise InvalidSchedule(expression, "expression", problem)


def _parse(expression: str, fields: list[str], hash_id: str | None) -> tuple[Any, ...]:
    """One croniter object, or one for each of two days; none that never fires. A bad field is named, because each is
    tried alone first.
    """
    for at, name in enumerate(list(_FIELDS)[-len(fields) :]):
        problem = next((advice for trap, advice in _TRAPS[hash_id is not None :] if trap.search(fields[at])), None)
        try:
            _croniter([text if other == at else "*" for other, text in enumerate(fields)], hash_id)
        except (ValueError, TypeError, LookupError):  # what croniter raises for nonsense
            problem = problem or f"{fields[at]!r} cannot be read; use {_FIELDS[name]}, lists 1,2, ranges 1-5, steps */2"
        problem = problem or _overlong_step(fields, at)
        if problem:
            raise InvalidSchedule(expression, name, problem)
    *times, day, month, weekday = fields  # to it, fields that are fine alone are fine together
    pairs = [(day, weekday)] if {day, weekday} & {"*", "?"} else [(day, "*"), ("*", weekday)]
    crons = [_croniter([*times, one, month, other], hash_id) for one, other in pairs]
    return tuple(filter(_ever_fires, crons))


def _croniter(fields: list[str], hash_id: str | None) -> Any:
    values = _VALUES[-len(fields) :]
    plain = [_RANGE_WITH_STEPS.sub(partial(_listed, *of), text) for of, text in zip(values, fields, strict=True)]
    return croniter(" ".join(plain), _START, hash_id=hash_id, second_at_beginning=True)


def _listed(low: int, high: int, names: tuple[str, ...], found: re.Match[str]) -> str:
    """The values of a range with a step, if it wraps around the end of its field; else the range as it was."""
    begin, end = (low + names.index(text) if text in names else int(text) for text in found.group(1, 2))
    step, size = int(found[3]), high - low + 1
    if not (low <= end < begin <= high and step):
        return found[0]
    return ",".join(str(low + (value - low) % size) for value in range(begin, end + size + 1, step))


def _overlong_step(fields: list[str], at: int) -> str | None:
    """What is wrong with a step that takes the first of its values and never gets to a second, although that is what
    its author meant: `*/90` for the minute is each hour. As many as there are values is said rightly: `*/60`.
    """
    low, high, names = _VALUES[-len(fields) :][at]
    for element in fields[at].split(","):
        if found := _STEP.fullmatch(element):
            step, values = int(found[5]), high - low + 1
            first, last = found[1] or found[3], found[2] or found[4]
            if first:
                begin, end = (low + names.index(text) if text in names else int(text) for text in (first, last))
                values = min(values, end - begin + 1 if begin <= end else end - begin + 1 + values)
            if step > values:
                way = f"write {element.partition('/')[0] if found[1] else first}" if first else _way_to_say(fields, at)
                return f"a step of {step} among {values} values takes the first alone; {way}"
    return None


def _way_to_say(fields: list[str], at: int) -> str:
    """The schedules that fire each so many minutes (or seconds), if the next field is a whole number of such steps."""
    every, ways = fields[at].removeprefix("*/"), list[str]()
    if at <= len(fields) - 5 and every.isdecimal() and fields[at + 1] == "*":  # a second or a minute
        most, step = _VALUES[-len(fields) :][at + 1][1], int(every)
        longer = math.lcm(step, 60) // 60  # after so many of the next field the first of the schedules fires again
        if 60 * (most + 1) % step == 0:
            for minutes in range(0, 60 * longer, step):
                begin, minute = divmod(minutes, 60)
                hours = str(begin) if begin + longer > most else f"{begin}-{most}/{longer}" if begin else f"*/{longer}"
                ways.append(repr(" ".join([*fields[:at], str(minute), hours, *fields[at + 2 :]])))
    if not ways:
        return "no step reaches over the end of its field; list the times, or give the next field a step"
    if len(ways) == 1:
        return f"write {ways[0]}"
    return f"write it as {len(ways)} schedules, {', '.join(ways[:-1])} and {ways[-1]}"


def _next(cron: Any, local: datetime) -> datetime:
    # croniter changes itself when it is asked: a copy keeps this object immutable.
    found: datetime = copy.copy(cron).get_next(datetime, start_time=local.replace(microsecond=0))
    return found


def _ever_fires(cron: Any) -> bool:
    try:
        _next(cron, _START)
    except ValueError:
        return False
    return True


def check_zone(expression: str, tz: str) -> ZoneInfo:
    """The time zone of a name.

    Raises:
        InvalidSchedule: If it is unknown.
    """
    try:
        return ZoneInfo(tz)
    except (LookupError, ValueError, TypeError, AttributeError, OSError):  # OSError: a folder, such as "Europe"
        name = str(tz) if isinstance(tz, str | ZoneInfo) else ""
        close = difflib.get_close_matches(name, available_timezones(), n=1) if "/" in name else []  # not for CEST
    advice = f"did you mean {close[0]!r}?" if close else 'pass a name such as "Europe/London" (or pip install tzdata)'
    raise InvalidSchedule(expression, "tz", f"{show(tz)} is not known; {advice}")

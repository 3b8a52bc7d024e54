"""A cron expression in words, and its ticks by the clock of its zone, with the changes of that clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from aiojobs_lite.intervals import split_jitter

_ALIASES: Final = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_FIELDS: Final = 5


class TickLine(NamedTuple):
    """A tick as it is shown.

    Attributes:
        at: The instant, UTC.
        local: It by the clock of its zone.
        note: How that clock has changed since the tick before, or empty.
    """

    at: datetime
    local: str
    note: str


def in_words(expression: str) -> str:
    """A cron expression as a phrase: `at 09:00, from Monday to Friday`. What has no short phrase is read field by
    field.
    """
    expression, jitter = split_jitter(expression)
    if jitter:
        return f"{in_words(expression)}, each up to {jitter} later"
    if expression.startswith("@every "):
        length, _, phase = expression.removeprefix("@every ").partition(" phase=")
        return f"every {length}" + (f", at a phase of {phase}" if phase else "")
    fields = _ALIASES.get(expression.strip().lower(), expression).split()
    if len(fields) == _FIELDS:
        fields = ["0", *fields]
    if len(fields) != _FIELDS + 1:
        return expression
    second, minute, hour, day, month, weekday = fields
    parts = [_time(second, minute, hour), _day(day, weekday), _named("in", month, _MONTHS, 1)]
    return ", ".join(filter(None, parts))


def tick_lines(ticks: Iterable[datetime], tz: str) -> list[TickLine]:
    """Ticks by the clock of a zone."""
    zone, before, lines = ZoneInfo(tz), None, list[TickLine]()
    for at in ticks:
        local = at.astimezone(zone)
        offset = local.utcoffset() or timedelta(0)
        changed = timedelta(0) if before is None else offset - before
        hours = abs(changed) / timedelta(hours=1)
        note = f"clocks go {'forward' if changed > timedelta(0) else 'back'} {hours:g} h before" if changed else ""
        lines.append(TickLine(at, f"{local:%a %d %b %H:%M}{local:%S}".removesuffix("00") if not local.second
                              else f"{local:%a %d %b %H:%M:%S}", note))  # fmt: skip
        before = offset
    return lines


def _time(second: str, minute: str, hour: str) -> str:
    is_fixed = all(field.isdecimal() for field in (second, minute))
    if is_fixed and all(part.isdecimal() for part in hour.split(",")):
        seconds = "" if int(second) == 0 else f":{int(second):02}"
        return "at " + _list([f"{int(part):02}:{int(minute):02}{seconds}" for part in hour.split(",")])
    if second == "0" and hour == "*":
        if minute.isdecimal():
            return "every hour" if int(minute) == 0 else f"every hour, {int(minute)} min past"
        return _every(minute, "minute")
    if second == "0" and minute == "0":
        return _every(hour, "hour")
    parts = [_every(field, unit) for field, unit in ((second, "second"), (minute, "minute"), (hour, "hour"))]
    if second == "0":
        del parts[0]
    return ", ".join(parts[:1] + [part for part in parts[1:] if not part.startswith("every ") or "s" in part])


def _every(field: str, unit: str) -> str:
    base, _, step = field.partition("/")
    if base == "*":
        return f"every {step} {unit}s" if step else f"every {unit}"
    return f"{unit} {field}"


def _day(day: str, weekday: str) -> str:
    of_week = _named("on", weekday, _DAYS, 0)
    if day in {"*", "?"}:
        return of_week or "every day"
    of_month = f"on day {day} of the month" if day[0].isdecimal() else f"on day {day}"
    return f"{of_month} or {of_week}" if of_week else of_month


def _named(before: str, field: str, names: tuple[str, ...], first: int) -> str:
    """A field of names: `from Monday to Friday`, `on Monday and Friday`, `in March`."""
    if field in {"*", "?"}:
        return ""
    start, dash, end = field.partition("-")
    if dash and "," not in field and "/" not in field:
        return f"from {_name(start, names, first)} to {_name(end, names, first)}"
    return f"{before} {_list([_name(part, names, first) for part in field.split(',')])}"


def _name(text: str, names: tuple[str, ...], first: int) -> str:
    if text.isdecimal() and first <= int(text) < len(names) + first:
        return names[int(text) - first]
    return next((name for name in names if name[:3].lower() == text.lower()), text)


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

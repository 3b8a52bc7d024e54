"""The functions and methods of expressions. Each takes the scope and its arguments, and makes None of odd ones."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from aiojobs_lite.inngest.expressions.moments import (
    duration_of_text,
    instant_of_number,
    instant_of_seconds,
    instant_of_text,
    seconds_of,
)
from aiojobs_lite.inngest.expressions.patterns import fits_pattern
from aiojobs_lite.inngest.expressions.scope import Scope
from aiojobs_lite.inngest.expressions.values import as_text, built, is_number, read

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER_CHARS: Final = 100
_DATE_STEPS: Final = 20
_DURATION_STEPS: Final = 100
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "t", "T", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "f", "F", "0"), False),
}
_INTEGERS: Final = range(-(2**63), 2**63)
_UNSIGNED: Final = range(2**64)
_BOTH: Final = ("function", "method")
_FUNCTION: Final = ("function",)
_METHOD: Final = ("method",)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of expressions.

    Attributes:
        apply: Called with the scope and the arguments; of a method the first is its target.
        styles: How it is written: `function(a, b)`, `a.method(b)` or both, the usual one first.
        counts: How many arguments it takes, the target among them.
        takes: What it takes, for an error.
        makes_moments: Whether it may make an instant or a duration.
    """

    apply: Callable[..., Any]
    styles: tuple[str, ...]
    counts: tuple[int, ...]
    takes: str
    makes_moments: bool = False


def _size(_: Scope, value: Any) -> int | None:
    if value is None:
        return 0
    return len(value) if isinstance(value, str | list | dict) else None


def _starts(scope: Scope, text: Any, start: Any) -> bool:
    return isinstance(text, str) and isinstance(start, str) and text.startswith(read(scope, start))


def _ends(scope: Scope, text: Any, end: Any) -> bool:
    return isinstance(text, str) and isinstance(end, str) and text.endswith(read(scope, end))


def _contains(scope: Scope, text: Any, part: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and part in built(scope, text)


def _lowercase(scope: Scope, text: Any) -> str | None:
    return built(scope, text).lower() if isinstance(text, str) else None


def _uppercase(scope: Scope, text: Any) -> str | None:
    return built(scope, text).upper() if isinstance(text, str) else None


def _b64decode(scope: Scope, text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    try:
        return b64decode(built(scope, text).replace("\n", "").replace("\r", ""), validate=True).decode()
    except (binascii.Error, ValueError):  # no base64, or not that of a text
        return None


def _json_parse(scope: Scope, text: Any) -> Any:
    if not isinstance(text, str):
        return None
    scope.spend(len(text) >> 1)  # "[[],[],[]" is slow
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):  # no JSON, or lists too deep within each other
        return None


def _refused(word: str) -> Any:
    raise ValueError(word)


def _date(scope: Scope, value: Any) -> datetime | None:
    scope.spend(_DATE_STEPS)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return instant_of_text(value)
    return instant_of_number(value) if is_number(value) and isfinite(value) else None


def _timestamp(scope: Scope, value: Any) -> datetime | None:
    if type(value) is int:
        return instant_of_seconds(value)
    return None if type(value) is float else _date(scope, value)


def _duration(scope: Scope, value: Any) -> timedelta | None:
    if isinstance(value, str):
        scope.spend(_DURATION_STEPS)
        return duration_of_text(value)
    return value if isinstance(value, timedelta) else None


def _now(scope: Scope) -> datetime:
    return scope.now()


def _now_plus(scope: Scope, value: Any, sign: int = 1) -> datetime | None:
    duration = _duration(scope, value)
    try:
        return None if duration is None else scope.now() + sign * duration
    except OverflowError:
        return None


def _now_minus(scope: Scope, value: Any) -> datetime | None:
    return _now_plus(scope, value, -1)


def _int(_: Scope, value: Any) -> int | None:
    return _whole(value, _INTEGERS)


def _uint(_: Scope, value: Any) -> int | None:
    return _whole(value, _UNSIGNED)


def _whole(value: Any, allowed: range) -> int | None:
    is_written = isinstance(value, str) and _INTEGER.fullmatch(value)
    if is_written or (is_number(value) and isfinite(value)):
        number = int(value)
    elif isinstance(value, datetime):
        number = seconds_of(value)
    else:
        return None
    return number if number in allowed else None


def _double(_: Scope, value: Any) -> float | None:
    is_text = isinstance(value, str) and len(value) <= _LONGEST_NUMBER_CHARS and _NUMBER.fullmatch(value)
    if not is_text and not is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _string(scope: Scope, value: Any) -> str | None:
    return None if value is None else as_text(scope, value)


def _bool(_: Scope, value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _BOOLEANS.get(value) if isinstance(value, str) else None


def _dyn(_: Scope, value: Any) -> Any:
    return value


def _of_instant(part: Callable[[datetime], int]) -> Function:
    def apply(_: Scope, value: Any) -> int | None:
        return part(value) if isinstance(value, datetime) else None

    return Function(apply, _METHOD, (1,), "no argument")


def _of_length(unit: timedelta, of_instant: Callable[[datetime], int]) -> Function:
    def apply(_: Scope, value: Any) -> int | None:
        if isinstance(value, timedelta):
            return (abs(value) // unit) * (1 if value >= timedelta() else -1)
        return of_instant(value) if isinstance(value, datetime) else None

    return Function(apply, _METHOD, (1,), "no argument")


def _milliseconds(_: Scope, value: Any) -> int | None:
    if isinstance(value, datetime):
        return value.microsecond // 1000
    return abs(value).microseconds // 1000 if isinstance(value, timedelta) else None


FUNCTIONS: Final = {
    "size": Function(_size, _BOTH, (1,), "a string, a list or a map"),
    "startsWith": Function(_starts, _METHOD, (2,), "a string"),
    "endsWith": Function(_ends, _METHOD, (2,), "a string"),
    "contains": Function(_contains, _METHOD, (2,), "a string"),
    "matches": Function(fits_pattern, _METHOD + _FUNCTION, (2,), "a string and a regular expression"),
    "lowercase": Function(_lowercase, _FUNCTION, (1,), "a string"),
    "uppercase": Function(_uppercase, _FUNCTION, (1,), "a string"),
    "b64decode": Function(_b64decode, _FUNCTION, (1,), "a string"),
    "json_parse": Function(_json_parse, _FUNCTION, (1,), "a string"),
    "date": Function(_date, _FUNCTION, (1,), "a date in a string or a number", makes_moments=True),
    "timestamp": Function(_timestamp, _FUNCTION, (1,), "a date in a string, or seconds", makes_moments=True),
    "duration": Function(_duration, _FUNCTION, (1,), "a duration such as '1h30m'", makes_moments=True),
    "now": Function(_now, _FUNCTION, (0,), "no argument", makes_moments=True),
    "now_plus": Function(_now_plus, _FUNCTION, (1,), "a duration such as '1h30m'", makes_moments=True),
    "now_minus": Function(_now_minus, _FUNCTION, (1,), "a duration such as '1h30m'", makes_moments=True),
    "int": Function(_int, _FUNCTION, (1,), "a number or a string"),
    "uint": Function(_uint, _FUNCTION, (1,), "a number or a string"),
    "double": Function(_double, _FUNCTION, (1,), "a number or a string"),
    "string": Function(_string, _FUNCTION, (1,), "a value"),
    "bool": Function(_bool, _FUNCTION, (1,), "a boolean, or a string that is one"),
    "dyn": Function(_dyn, _FUNCTION, (1,), "a value"),
    "getFullYear": _of_instant(lambda instant: instant.year),
    "getMonth": _of_instant(lambda instant: instant.month - 1),
    "getDate": _of_instant(lambda instant: instant.day),
    "getDayOfMonth": _of_instant(lambda instant: instant.day - 1),
    "getDayOfWeek": _of_instant(lambda instant: instant.isoweekday() % 7),
    "getDayOfYear": _of_instant(lambda instant: instant.timetuple().tm_yday - 1),
    "getHours": _of_length(timedelta(hours=1), lambda instant: instant.hour),
    "getMinutes": _of_length(timedelta(minutes=1), lambda instant: instant.minute),
    "getSeconds": _of_length(timedelta(seconds=1), lambda instant: instant.second),
    "getMilliseconds": Function(_milliseconds, _METHOD, (1,), "no argument"),
}
"""Each by its name. Instants are in UTC; months, days of the year and of the month (but for getDate) count from 0."""

CONDITIONS: Final = frozenset({"startsWith", "endsWith", "contains", "matches"})
"""Those whose result is a boolean whatever they get."""

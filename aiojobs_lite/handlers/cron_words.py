"""What users of other libraries write in place of a cron expression: its fields one by one, as `cron(hour=3)`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidOption, InvalidSchedule
from aiojobs_lite.handlers.habits import AN_EXPRESSION, BY_THE_CLOCK, HABITS

M = TypeVar("M", bound=Callable[..., Any])
_FIELDS: Final[Mapping[str, int]] = {
    word: place
    for place, words in enumerate((
        "second seconds", "minute minutes", "hour hours", "day days day_of_month", "month month_of_year",
        "weekday day_of_week",
    ))
    for word in words.split()
}  # fmt: skip
"""A word for a field of a cron expression -> its place among six."""

_DAY: Final = 3  # the place of the day of the month
_LOWEST: Final = ("0", "0", "0", "1")  # of a field that is left out before the first one that is given
_FORM: Final = "one text of five fields (minute, hour, day of month, month, day of week), which comes first"


def expression_first(cron: M) -> M:
    """Says in the error of a call of `cron` without an expression, such as `cron(hour=3)`, how it is written."""

    @functools.wraps(cron)
    def call(*args: Any, **kwargs: Any) -> Any:
        word = next((word for word in kwargs if HABITS.get(word) == BY_THE_CLOCK), None)
        if len(args) > 1 or word is None or "expression" in kwargs:
            return cron(*args, **kwargs)
        raise InvalidOption(word, kwargs[word], f'{_FORM}: @runner.cron("{_as_expression(kwargs)}")')

    return cast("M", call)


def _as_expression(given: Mapping[str, Any]) -> str:
    """The fields of a call that names them one by one as an expression; another one as an example if they make none."""
    found = {
        _FIELDS[word]: f"*/{value}" if word.endswith("s") else str(value)
        for word, value in given.items()
        if word in _FIELDS
    }
    finest = min(found, default=_DAY)
    finest = _DAY if finest > len(_LOWEST) else finest  # a day of the week
    fields = [found.get(place, "*" if place >= finest else _LOWEST[place]) for place in range(min(finest, 1), 6)]
    if not found or any(map(str.isdecimal, fields[-1])):  # what 0 is as a day of the week differs by library
        return AN_EXPRESSION
    try:
        return CronSchedule(" ".join(fields), hash_id="").normal
    except InvalidSchedule:
        return AN_EXPRESSION

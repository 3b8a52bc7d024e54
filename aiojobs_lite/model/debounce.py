"""Debounce: many enqueues within a short time become one job, with the arguments of the last."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.keys import KeySpec, check_key, shown_key
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_DEBOUNCES, answers

_SHORTEST_S: Final = 0.001


@answers(WORDS_OF_DEBOUNCES)
class Debounce:
    """A job runs when no further one with the same key was enqueued for a time; it has the arguments of the last.

    Args:
        period: For how long no further one may come.
        max_wait: It runs at the latest so long after the first of them. None: it does not run while enqueues go on
            coming within the period.
        key: A field of the payload (dotted: one within another), a tuple or list of fields, or a function of the
            payload; None: all jobs of the type have the same key.

    Attributes:
        period: Seconds.
        max_wait: Seconds, or None.
        key: The field, a tuple of fields, or the function; an empty tuple if it was None.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("key", "max_wait", "period")

    def __init__(self, period: Duration, *, max_wait: Duration | None = None, key: KeySpec | None = None) -> None:
        self.period = seconds(period, "period", least=_SHORTEST_S)
        self.max_wait = None if max_wait is None else seconds(max_wait, "max_wait")
        if self.max_wait is not None and self.max_wait < self.period:
            raise InvalidOption("max_wait", max_wait, f"at least the period, {show_duration(self.period)}")
        self.key: KeySpec = () if key is None else check_key("key", key)

    def __repr__(self) -> str:
        waits = "" if self.max_wait is None else f", max_wait='{show_duration(self.max_wait)}'"
        key = shown_key(self.key).removesuffix(", ")
        return f"Debounce('{show_duration(self.period)}'{waits}{key and f', key=({key})'})"

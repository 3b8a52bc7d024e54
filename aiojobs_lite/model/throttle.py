"""Throttle: of many enqueues within a time the first makes a job, the others none."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.model.keys import KeySpec, check_key, shown_key
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_THROTTLES, answers

_SHORTEST_S: Final = 0.001


@answers(WORDS_OF_THROTTLES)
class Throttle:
    """Of the jobs with the same key one is enqueued in each period; the others are dropped, and counted.

    Args:
        period: For how long after a job no other is enqueued.
        key: A field of the payload (dotted: one within another), a tuple or list of fields, or a function of the
            payload; None: all jobs of the type have the same key.

    Attributes:
        period: Seconds.
        key: The field, a tuple of fields, or the function; an empty tuple if it was None.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("key", "period")

    def __init__(self, period: Duration, *, key: KeySpec | None = None) -> None:
        self.period = seconds(period, "period", least=_SHORTEST_S)
        self.key: KeySpec = () if key is None else check_key("key", key)

    def __repr__(self) -> str:
        key = shown_key(self.key).removesuffix(", ")
        return f"Throttle('{show_duration(self.period)}'{key and f', key=({key})'})"

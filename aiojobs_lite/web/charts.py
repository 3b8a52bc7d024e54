"""Charts as SVG, made on the server: a bar an hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

CHART_WIDTH: Final = 960
CHART_HEIGHT: Final = 120
_GAP: Final = 0.22  # of the width of a bar
_LEAST_HEIGHT: Final = 2.0  # of what is not nothing


class HourBar(NamedTuple):
    """One hour.

    Attributes:
        hour: When it began, UTC.
        good: Jobs that were completed.
        bad: Attempts that failed.
        x: Where its bar begins.
        width: How wide that is.
        good_height: How high its lower part is.
        bad_height: How high its upper part is.
        good_y: Where the lower part begins.
        bad_y: Where the upper part begins.
    """

    hour: datetime
    good: int
    bad: int
    x: float
    width: float
    good_height: float
    bad_height: float
    good_y: float
    bad_y: float


def bars_of(hours: Sequence[tuple[datetime, int, int]]) -> list[HourBar]:
    """The bars of hours in their order, each with what was completed and what failed."""
    highest = max([good + bad for _, good, bad in hours], default=0) or 1
    step = CHART_WIDTH / max(len(hours), 1)
    bars = []
    for place, (hour, good, bad) in enumerate(hours):
        good_height, bad_height = _height(good, highest), _height(bad, highest)
        good_y = CHART_HEIGHT - good_height
        bars.append(HourBar(
            hour, good, bad, round(place * step, 1), round(step * (1 - _GAP), 1), good_height, bad_height,
            round(good_y, 1), round(good_y - bad_height, 1),
        ))  # fmt: skip
    return bars


def _height(number: int, highest: int) -> float:
    return round(max(number / highest * (CHART_HEIGHT - _LEAST_HEIGHT), _LEAST_HEIGHT), 1) if number else 0.0

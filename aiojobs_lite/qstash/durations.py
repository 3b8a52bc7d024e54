"""Durations of QStash: `50s`, `1d10h30m`, or a bare integer, which is seconds."""

from __future__ import annotations

import re

from aiojobs_lite.durations import LONGEST_S
from aiojobs_lite.errors import InvalidOption

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]{1,12})([smhd])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_EXPECTED = "whole numbers with the units d, h, m or s and no blanks, such as 50s or 1d10h30m, at most a century"


def whole_seconds(value: str, header: str) -> int:
    """Turns a duration of QStash into seconds.

    Raises:
        InvalidOption: If it is no such duration; it names the header.
    """
    text = f"{value}s" if value.isdecimal() else value
    if not _WHOLE.fullmatch(text):
        raise InvalidOption(header, value, _EXPECTED)
    total = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if total > LONGEST_S:
        raise InvalidOption(header, value, _EXPECTED)
    return total

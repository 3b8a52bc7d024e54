"""Flow control of a message: a key, and what `parallelism=2, rate=5, period=60s` says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.qstash.durations import whole_seconds

_KEY_HEADER = "Upstash-Flow-Control-Key"
_VALUE_HEADER = "Upstash-Flow-Control-Value"
LONGEST_FLOW_PERIOD_S: Final = 7 * 86400
_EXPECTED = "parallelism=, rate= (integers from 1) or period= (at most a week), each once, such as rate=5, period=60s"


@dataclass(frozen=True)
class FlowControl:
    """How many messages of one key are delivered at once, and how many start in a period.

    Attributes:
        key: The key.
        parallelism: Deliveries at once; None is any number.
        rate: Starts in a period; None is any number.
        period_s: The period, in seconds.
    """

    key: str
    parallelism: int | None = None
    rate: int | None = None
    period_s: int = 1


def flow_control(key: str, value: str) -> FlowControl:
    """Reads the value of the two headers: any of the three names, in any order, with blanks anywhere between.

    Raises:
        InvalidOption: If the key is empty, or the value is not of this form.
    """
    if not key.strip():
        raise InvalidOption(_KEY_HEADER, key, "a key, such as the name of a customer")
    found = dict[str, int]()
    for part in value.split(",") if value.strip() else ():
        name, _, text = (piece.strip() for piece in part.partition("="))
        if name in found or name not in {"parallelism", "rate", "period"}:
            raise InvalidOption(_VALUE_HEADER, value, _EXPECTED)
        number = whole_seconds(text, _VALUE_HEADER) if name == "period" else _count(text)
        if not 0 < number <= (LONGEST_FLOW_PERIOD_S if name == "period" else number):
            raise InvalidOption(_VALUE_HEADER, value, _EXPECTED)
        found[name] = number
    return FlowControl(key, found.get("parallelism"), found.get("rate"), found.get("period", 1))


def _count(text: str) -> int:
    """A count of up to nine digits; zero, which the caller refuses, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0

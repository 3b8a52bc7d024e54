"""What a handler reports while it runs, as its context takes it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, Protocol

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.sizes import LONGEST_LOG_LINE_CHARS, LONGEST_PROGRESS_CHARS
from aiojobs_lite.text import make_storable


class Reporter(Protocol):
    """Takes what attempts report. Any thread may call it; it never waits."""

    def progress(self, claimed: Claimed, fraction: float | None, text: str | None) -> bool:
        """Takes how far an attempt is; returns whether the event loop is to have a turn."""

    def log(self, claimed: Claimed, line: str) -> None:
        """Takes a line that an attempt logs."""


class Reported:
    """What `ctx.progress` returns: awaiting it gives the event loop a turn, if it had none for a while.

    No coroutine, so that a handler in a thread need not await it.
    """

    __slots__ = ("_gives_turn",)

    def __init__(self, *, gives_turn: bool) -> None:
        self._gives_turn = gives_turn

    def __await__(self) -> Generator[Any, None, None]:
        if self._gives_turn:
            yield


NO_TURN: Final = Reported(gives_turn=False)
WITH_TURN: Final = Reported(gives_turn=True)


def check_fraction(value: object) -> float | None:
    """A number from 0 to 1, or None."""
    if value is None:
        return None
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidOption("fraction", value, "a number from 0 to 1, or None")
    if not 0 <= value <= 1:  # NaN is neither
        raise InvalidOption("fraction", value, "a number from 0 to 1, or None")
    return float(value)


def check_progress_text(value: object) -> str | None:
    """What a handler says that it does, as it is stored, or None."""
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_PROGRESS_CHARS:
        raise InvalidOption("text", value, f"text of 1 to {LONGEST_PROGRESS_CHARS:,} characters, or None")
    return value if _is_plain(value) else make_storable(value, LONGEST_PROGRESS_CHARS)


def check_log_line(value: object) -> str:
    """A line of a log as it is stored: shortened, if it is too long."""
    if not isinstance(value, str):
        raise InvalidOption("line", value, "text; make it one before, by an f-string")
    if _is_plain(value) and len(value) <= LONGEST_LOG_LINE_CHARS:
        return value
    return make_storable(value, LONGEST_LOG_LINE_CHARS)


def _is_plain(text: str) -> bool:
    """Whether text is stored as it is, as nearly all is."""
    return type(text) is str and text.isprintable()

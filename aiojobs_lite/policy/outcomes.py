"""What a handler raises to decide what becomes of its job."""

from __future__ import annotations

from datetime import timedelta

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption, Portable


class Signal(Portable):
    """The base class of what a handler raises to decide what becomes of its job."""


class Retry(Signal):
    """Raised by a handler: this attempt failed; try again after exactly this delay.

    Args:
        reason: Kept in the record of the attempt.
        after: The delay; None leaves it to the backoff.

    Raises:
        InvalidOption: If the delay is no duration, or given as the reason.
    """

    after: float | None = None  # also of a subclass whose __init__ does not call this one

    def __init__(self, reason: str = "", *, after: Duration | None = None) -> None:
        if isinstance(reason, int | float | timedelta):
            raise InvalidOption("reason", reason, "text; the delay goes by name, Retry(after=...)")
        self.after = None if after is None else seconds(after, "after")
        super().__init__(reason)


class Snooze(Signal):
    """Raised by a handler: run again after this delay; no attempt is used.

    Args:
        delay: The delay.
        reason: Kept in the record of the attempt.

    Raises:
        InvalidOption: If the delay is no duration.
    """

    delay: float = 0.0  # as above

    def __init__(self, delay: Duration, reason: str = "") -> None:
        self.delay = seconds(delay, "delay")
        super().__init__(reason)


class Abandon(Signal):
    """Raised by a handler: the job is dead now, with no more attempts."""


class Cancel(Signal):
    """Raised by a handler: the job is cancelled now, with no more attempts, and needs no attention."""

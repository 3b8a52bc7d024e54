"""What a handler raises to decide what becomes of its job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption, Portable
from aiojobs_lite.model.json_object import dump_object
from aiojobs_lite.sizes import LARGEST_DETAILS_BYTES

_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII)
_INSTANTS: Final = 'an aware datetime, or the text of a header Retry-After, "120" or "Wed, 21 Oct 2026 07:28:00 GMT"'


class Signal(Portable):
    """The base class of what a handler raises to decide what becomes of its job.

    Attributes:
        keeps_traceback: Whether its traceback is kept with the attempt. A class or an instance sets it to False where
            the text says all.
    """

    keeps_traceback = True


class _Detailed(Signal):
    """A signal with details, which are kept with the attempt.

    Details that cannot be kept change nothing else: the reason says why there are none, and `__cause__` is the error.
    """

    details_json: str | None = None  # also of a subclass whose __init__ does not call this one

    def __init__(self, reason: str = "", *, details: Mapping[str, Any] | None = None) -> None:
        if details is not None:
            try:
                self.details_json = dump_object("details", details, LARGEST_DETAILS_BYTES)
            except InvalidOption as error:
                self.__cause__ = error
                reason = f"{reason} (without its details: {error})".lstrip()
        super().__init__(reason)

    @property
    def details(self) -> dict[str, Any] | None:
        """What is kept with the attempt, as plain JSON values, or None."""
        return None if self.details_json is None else json.loads(self.details_json)


class Retry(_Detailed):
    """Raised by a handler: this attempt failed; try again after exactly this delay, or at this instant.

    Args:
        reason: Kept in the record of the attempt.
        after: The delay, an aware datetime, or the text of a header `Retry-After`, which is seconds or a date. None
            leaves it to the backoff.
        details: A mapping of plain JSON values, at most 128 KiB as JSON, which is kept with the attempt: what a server
            answered, say. Those that cannot be kept are left out, and the reason says why.

    Attributes:
        after: The delay in seconds, or None.
        at: The instant, or None.
        details: As they are kept, or None.

    Raises:
        InvalidOption: If `after` is none of these, or the only argument is a delay in place of the reason.
    """

    after: float | None = None  # as above
    at: datetime | None = None

    def __init__(
        self,
        reason: str = "",
        *,
        after: Duration | datetime | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if after is None:
            _check_reason(reason)
        else:
            self.after, self.at = _wait(after, "after")
        super().__init__(reason, details=details)


class Snooze(Signal):
    """Raised by a handler: run again after this delay, or at this instant; no attempt is used.

    Args:
        delay: The delay, an aware datetime, or the text of a header `Retry-After`, which is seconds or a date.
        reason: Kept in the record of the attempt.

    Attributes:
        delay: The delay in seconds; None if there is an instant.
        at: The instant, or None.

    Raises:
        InvalidOption: If the delay is no duration, no aware datetime and no text of `Retry-After`.
    """

    delay: float | None = 0.0  # as above
    at: datetime | None = None

    def __init__(self, delay: Duration | datetime, reason: str = "") -> None:
        self.delay, self.at = _wait(delay, "delay")
        super().__init__(reason)


class Abandon(_Detailed):
    """Raised by a handler: the job is dead now, with no more attempts.

    Args:
        reason: Kept in the record of the attempt.
        details: As `Retry` takes them.

    Attributes:
        details: As they are kept, or None.
    """


class Cancel(Signal):
    """Raised by a handler: the job is cancelled now, with no more attempts, and needs no attention."""


def _check_reason(reason: object) -> None:
    """Checks that a reason is no delay, which would be kept and not waited for. Digits only may be a status: 429."""
    if isinstance(reason, str):
        if reason.isdecimal():
            return
        try:
            _wait(reason, "reason")
        except InvalidOption:
            return
    elif not isinstance(reason, int | float | timedelta | datetime):
        return
    shown = repr(reason) if isinstance(reason, str) else "..."
    raise InvalidOption("reason", reason, f"text; the delay goes by name, Retry(after={shown})")


def _wait(given: Duration | datetime, option: str) -> tuple[float | None, datetime | None]:
    """A delay in seconds, or the instant that is given in its place."""
    instant = _http_date(given) if isinstance(given, str) else given
    if not isinstance(instant, datetime):
        try:
            return seconds(given, option), None  # type: ignore[arg-type]  # no datetime
        except InvalidOption as error:
            raise InvalidOption(option, given, f"{error.expected}, {_INSTANTS}") from None
    try:
        if instant.utcoffset() is not None:
            return None, instant.astimezone(UTC)
    except OverflowError:  # in UTC it would lie outside of the calendar
        pass
    raise InvalidOption(option, given, "an aware datetime, such as datetime.now(UTC)")


def _http_date(text: str) -> datetime | None:
    """The instant of a date as headers of HTTP have it, such as `Wed, 21 Oct 2026 07:28:00 GMT`; None if it is none."""
    if not _HTTP_DATE.fullmatch(text.strip()):  # the parser takes much more, which may be the words of a reason
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None

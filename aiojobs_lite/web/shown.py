"""How values stand on a page: text that cannot be taken for anything else, spans, numbers, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from markupsafe import Markup
from markupsafe import escape as escape_html

from aiojobs_lite.clock import SystemClock, to_datetime
from aiojobs_lite.telemetry.wording import span
from aiojobs_lite.text import escape

LONGEST_SHOWN_CHARS: Final = 50_000
"""Of a payload, a result or a traceback on a page; the rest of a longer one is left out, which the page says."""

LONGEST_READ_CHARS: Final = 500_000
"""Of JSON that is read to be shown over several lines."""

LONGEST_LINE_CHARS: Final = 160
"""Of a value in a table."""

_SOON_S: Final = 1.0
_MILLI: Final = 1000
_MINUTE_S: Final = 60


def text(value: object) -> object:
    """What a template shows in place of a value: text whose lines stay, and whose other controls are written out."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "\n".join([escape(line.replace("\t", "    ")) for line in value.replace("\r\n", "\n").split("\n")])


def verbatim(value: str) -> Markup:
    """Text as it is, for the field of a form that is sent back."""
    return escape_html(value)


def line(value: object, longest: int = LONGEST_LINE_CHARS) -> str:
    """A value on one line, cut off."""
    shown = escape(str(value)[: longest + 1])
    return f"{shown[:longest]}…" if len(shown) > longest else shown


def cut(value: str) -> str:
    """A long text up to what a page shows of it."""
    if len(value) <= LONGEST_SHOWN_CHARS:
        return value
    return f"{value[:LONGEST_SHOWN_CHARS]}{_and_more(len(value) - LONGEST_SHOWN_CHARS)}"


def pretty(value: object) -> str:
    """A JSON value over several lines; what does not print is written as JSON escapes it, so that it can be edited."""
    return _printable(json.dumps(value, ensure_ascii=False, indent=2))


def json_text(stored: str, redact: Callable[[Any], Any] | None = None) -> tuple[str, bool]:
    """JSON as a page shows it: over several lines if it is not long, cut off if it is too long, and whether it was
    redacted. What is long is not read, unless there is a hook: a page is made on the event loop of an application.

    Args:
        stored: The JSON.
        redact: Gives the value that is to be shown.
    """
    is_long, is_redacted = len(stored) > LONGEST_READ_CHARS, False
    if redact is not None or not is_long:
        value = json.loads(stored)
        visible = value if redact is None else redact(value)
        is_redacted = visible != value
        stored = json.dumps(visible, ensure_ascii=False, indent=None if is_long else 2)
    more = len(stored) - LONGEST_SHOWN_CHARS
    if more <= 0:
        return _printable(stored), is_redacted
    shown = _printable(stored[:LONGEST_SHOWN_CHARS])[:LONGEST_SHOWN_CHARS]
    return f"{shown}{_and_more(more)}", is_redacted


def _printable(shown: str) -> str:
    if shown.replace("\n", "").isprintable():
        return shown
    return "".join([char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in shown])


def _and_more(number: int) -> str:
    return f"\n… and {number:,} more characters"


def compact(value: object) -> str:
    """A JSON value on one line, cut off."""
    return line(json.dumps(value, ensure_ascii=False))


def took(seconds: float | None) -> str:
    """How long something took: `12 ms`, `3.4 s`, `5 min 20 s`."""
    if seconds is None:
        return "—"
    if seconds < _SOON_S:
        return f"{seconds * _MILLI:.0f} ms" if seconds >= 1 / _MILLI else "< 1 ms"
    return span(seconds)


def between(start: datetime | None, end: datetime | None) -> str:
    """The time between two instants, as far as both are known."""
    return "—" if start is None or end is None else took(max(0.0, (end - start).total_seconds()))


def age(at: datetime | None, now: datetime) -> str:
    """How far an instant is from now: `3 min ago`, `in 2 h`."""
    if at is None:
        return "—"
    seconds = (now - at).total_seconds()
    if abs(seconds) < _SOON_S:
        return "now"
    whole = f"{abs(seconds):.0f} s" if abs(seconds) < _MINUTE_S - 0.5 else span(abs(seconds) // 1)
    largest = " ".join(whole.split()[:2])
    return f"{largest} ago" if seconds > 0 else f"in {largest}"


def at_utc(at: datetime | None) -> str:
    """An instant, to the second, in UTC."""
    return "—" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float | None) -> str:
    """A number with its thousands apart."""
    return "—" if value is None else f"{value:,}"


def rate(value: float | None) -> str:
    """A share as per cent; a small one that is not zero does not read as zero."""
    if value is None:
        return "—"
    percent = value * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent in {0, 100} or percent >= 10 else f"{percent:.1f} %"


def now_utc() -> datetime:
    """The instant from which ages are counted, to the second."""
    return to_datetime(SystemClock().now())


def an_hour_before(at: datetime) -> datetime:
    """An hour earlier."""
    return at - timedelta(hours=1)


FILTERS: Final[dict[str, Any]] = {
    "line": line, "cut": cut, "compact": compact, "took": took, "at_utc": at_utc, "number": number,
    "rate": rate, "verbatim": verbatim,
}  # fmt: skip
"""Of the templates, by name."""

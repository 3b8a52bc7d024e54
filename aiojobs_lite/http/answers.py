"""What an answer means for a delivery: it is done, it is tried again, or it is dead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, NamedTuple

from aiojobs_lite.text import show

LONGEST_RETRY_AFTER_S: Final = 86400.0
"""The longest wait that an answer can ask for; a longer one is ignored, and the backoff counts."""

_RETRIED: Final = frozenset({408, 425, 429})
_GONE: Final = 410
_NOT_RETRYABLE: Final = 489
_NON_RETRYABLE: Final = "upstash-nonretryable-error"
_WAITS: Final[Mapping[str, Sequence[str]]] = {
    "default": ("retry-after",),
    "qstash": ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"),
}
"""The headers that say when to try again, by the rules; the first that can be read counts."""

_QUERY: Final = re.compile(r"([?#]).+", re.DOTALL)
_SECONDS: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|us|µs|μs|ns|m|s)", re.ASCII)
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


class Meaning(Enum):
    """What becomes of a delivery."""

    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"


class Judgement(NamedTuple):
    """What an answer means.

    Attributes:
        meaning: What becomes of the delivery.
        reason: Why, for people; empty if it is done.
        after: Seconds that the answer asks to wait; None: the backoff counts.
    """

    meaning: Meaning
    reason: str = ""
    after: float | None = None


DONE: Final = Judgement(Meaning.DONE)


def judge_answer(
    rules: str, status: int, headers: Iterable[tuple[str, str]], now: Callable[[], datetime]
) -> Judgement:  # fmt: skip
    """What an answer means.

    - `default`: 2xx is done; 408, 425, 429 and 5xx are tried again; all else is dead, a redirect too, which names where
      it leads.
    - `qstash`: 2xx is done; all else is tried again.
    - Both: 489 with `Upstash-NonRetryable-Error: true` is dead.

    Args:
        rules: `default` or `qstash`.
        status: Its status.
        headers: Its headers.
        now: Gives the present instant, for a `Retry-After` that is a date.
    """
    if 200 <= status < 300:
        return DONE
    by_name: dict[str, str] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), value)
    if status == _NOT_RETRYABLE and by_name.get(_NON_RETRYABLE, "").strip().lower() == "true":
        return Judgement(Meaning.DEAD, "the receiver answered 489 with Upstash-NonRetryable-Error")
    reason = f"the receiver answered {status}"
    if 300 <= status < 400 and "location" in by_name:
        place = show(_QUERY.sub(r"\1***", by_name["location"]))  # it may be a secret, and a reason is logged
        reason = f"{reason}, a redirect to {place}, which is not followed"
    if rules != "qstash" and status < 500 and status not in _RETRIED:
        gone = ": it is gone" if status == _GONE else ""
        return Judgement(Meaning.DEAD, f"{reason}{gone}")
    waits = (read_wait(by_name[name], now()) for name in _WAITS[rules] if name in by_name)
    return Judgement(Meaning.RETRY, reason, next((wait for wait in waits if wait is not None), None))


def read_wait(value: str, now: datetime) -> float | None:
    """The wait that a header asks for in seconds: a number of them, a date, or a duration such as `6m5s`.

    Returns:
        None, if it is none of these, or longer than a day.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        wait = float(text)
    elif _DURATION.fullmatch(text):
        wait = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError):  # the latter of a year that is no number of C
            return None
        wait = max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    return wait if wait <= LONGEST_RETRY_AFTER_S else None

"""Options of a job type and of one enqueue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import (
    TypedDict,
)

from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.job import PRIORITIES, Priority
from aiojobs_lite.policy.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Enqueueing:
    """How one job is enqueued, where it differs from its type.

    Attributes:
        delay: Seconds from now until it may run.
        at: The earliest time that it may run, aware.
        priority: Instead of its type's.
        idempotency_key: Unique per type: a second job of the same key is not made.
    """

    delay: float | None = None
    at: datetime | None = None
    priority: int | None = None
    idempotency_key: str | None = None


_AS_DECLARED = Enqueueing()


class JobOptions(TypedDict, total=False):
    """What `@job`, `@runner.job` and `@runner.cron` take, all of it optional.

    Attributes:
        name: The stable name kept in the database, 1 to 200 printable characters; default: the function's name.
        max_attempts: All attempts a job may have, the first included; default 5.
        backoff: Waits between attempts; default `Backoff(base="2s", cap="1h")`.
        timeout: How long an attempt may take, from the first line of the handler; default: any time.
        concurrency: Most jobs of this type processing at once, over all runners of the database; default: any number.
        priority: `high`, `medium` (default) or `low`.
        retry_on: Only these exceptions are tried again; default: all are.
        abandon_on: These exceptions make the job dead at once.
        keep_result: Whether what the handler returns is stored; default True.
        process: Runs a plain `def` in another process; default False: in a thread.
    """

    name: str | None
    max_attempts: int
    backoff: Backoff | None
    timeout: Duration | None
    concurrency: int | None
    priority: Priority
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None
    abandon_on: type[BaseException] | tuple[type[BaseException], ...]
    keep_result: bool
    process: bool


def _whole(option: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidOption(option, value, f"a whole number from 1 to {most:,}")
    return value


def _flag(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(option, value, "True or False")
    return value


def _priority(priority: object) -> int:
    if not isinstance(priority, str) or priority not in PRIORITIES:
        raise InvalidOption("priority", priority, " or ".join(map(repr, PRIORITIES)))
    return PRIORITIES[priority]


def _aware(option: str, instant: object) -> None:
    try:
        if isinstance(instant, datetime) and instant.utcoffset() is not None:
            instant.astimezone(UTC)
            return
    except OverflowError:  # in UTC it would lie outside of the calendar
        pass
    raise InvalidOption(option, instant, "an aware datetime, such as datetime.now(UTC)")


def _exceptions(option: str, given: object) -> tuple[type[BaseException], ...]:
    found = given if isinstance(given, tuple) else (given,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in found):
        raise InvalidOption(option, given, "an exception class, or a tuple of them")
    return found

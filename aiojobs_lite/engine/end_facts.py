"""From the end of an attempt to the fact that is published of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.clock import MICROSECONDS, Clock, to_datetime
from aiojobs_lite.engine.failures import exc_info_of
from aiojobs_lite.engine.results import NOT_KEPT
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.policy.settle import ABANDONED
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    Fact,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobHeld,
    JobInterrupted,
    JobSnoozed,
    JobSuspended,
    ResultNotStored,
    RetryRequested,
)
from aiojobs_lite.telemetry.tracebacks import Raised, Trace


def publish_end(bus: Bus, end: End, duration: float, clock: Clock, raised: Raised | None = None) -> None:
    """Publishes how an attempt ended, if that is watched.

    Args:
        bus: Gets the facts.
        end: How it ended.
        duration: How many seconds the attempt took.
        clock: Says how long it is to the next one.
        raised: What is known of it besides, if it did not succeed.
    """
    kind = _kind_of(end, raised)
    has_hidden_fault = isinstance(end, Close) and _has_hidden_fault(end, raised)
    if has_hidden_fault or bus.is_watched(kind):
        if isinstance(end, Again) and issubclass(kind, AttemptFailed):
            bus.publish(_failed(kind, end, _wait(end, clock), raised), _trace_of(end, raised))
        elif isinstance(end, Close) and (kind is JobBecameDead or has_hidden_fault):
            bus.publish(_FACTS[kind](end, duration), _trace_of(end, raised))
        else:
            bus.publish(_FACTS[kind](end, _wait(end, clock) if isinstance(end, Again) else duration))
    if isinstance(end, Complete) and end.note is not None and bus.is_watched(ResultNotStored):
        bus.publish(ResultNotStored(end.id, end.type, end.attempt, end.note.removeprefix(NOT_KEPT)))


def _trace_of(end: Again | Close, raised: Raised | None) -> Trace | None:
    """The traceback of a failure, for the log; None for a wanted one, and if there is none."""
    if not end.failure or not end.failure.traceback or (raised and raised.is_wanted and _is_wish(end)):
        return None
    exc_info = exc_info_of(raised.error) if raised and raised.error is not None else None
    return Trace(end.failure.error_type, end.failure.traceback, exc_info, is_repeated=isinstance(end, Close))


def _has_hidden_fault(end: Close, raised: Raised | None) -> bool:
    """Whether its handler asked for a cancel in a group that holds a fault as well, which nothing else would show."""
    is_group = end.failure is not None and end.failure.error_type in _GROUPS
    return is_group and raised is not None and not raised.is_wanted


def _kind_of(end: End, raised: Raised | None) -> type[Fact]:
    if isinstance(end, Complete):
        return JobCompleted
    if isinstance(end, Close):
        return JobBecameDead if end.status is Status.DEAD else JobBecameCancelled
    if end.held is not None and end.outcome is not Outcome.SUSPENDED:
        return JobHeld
    is_retry = raised is not None and raised.is_wanted and end.outcome is Outcome.FAILED
    return _OF_OUTCOME.get(end.outcome, RetryRequested if is_retry else AttemptFailed)


def _is_wish(end: Again | Close) -> bool:
    """Whether an end can be the wish of a handler: not the death of a job that has used all its attempts up."""
    return isinstance(end, Again) or end.reason == ABANDONED


def _error_of(end: Again | Close) -> str:
    if end.failure:
        return end.failure.summary
    return "its process ended" if end.outcome is Outcome.LOST else "no error"


def _until(end: Again) -> datetime | None:
    return None if end.held is not None else to_datetime(end.scheduled_at)


def _wait(end: Again, clock: Clock) -> float:
    return max(0.0, (end.scheduled_at - clock.now()) / MICROSECONDS)


def _failed(kind: type[AttemptFailed], end: Again, wait: float, raised: Raised | None) -> Fact:
    error, next_at, attempts = _error_of(end), to_datetime(end.scheduled_at), raised.max_attempts if raised else 0
    return kind(end.id, end.type, end.attempt, attempts, end.outcome.value, error, next_at, wait)


_GROUPS: Final = frozenset({ExceptionGroup.__name__, BaseExceptionGroup.__name__})
_OF_OUTCOME: Final = {
    Outcome.SNOOZED: JobSnoozed,
    Outcome.INTERRUPTED: JobInterrupted,
    Outcome.SUSPENDED: JobSuspended,
}
_FACTS: Final[dict[type[Fact], Callable[[Any, float], Fact]]] = {
    JobCompleted: lambda end, duration: JobCompleted(end.id, end.type, end.attempt, duration),
    JobBecameDead: lambda end, _: JobBecameDead(end.id, end.type, end.attempt, end.reason or "", _error_of(end)),
    JobBecameCancelled: lambda end, _: JobBecameCancelled(end.id, end.type, end.reason or ""),
    JobHeld: lambda end, _: JobHeld(end.id, end.type, end.reason or ""),
    JobSnoozed: lambda end, wait: JobSnoozed(end.id, end.type, to_datetime(end.scheduled_at), wait),
    JobSuspended: lambda end, _: JobSuspended(end.id, end.type, ", ".join(end.waits_for), _until(end)),
    JobInterrupted: lambda end, _: JobInterrupted(end.id, end.type, end.attempt),
}

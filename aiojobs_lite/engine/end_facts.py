"""From the end of an attempt to the fact that is published of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiojobs_lite.clock import MICROSECONDS, Clock, to_datetime
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Outcome, Status
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
    ResultNotStored,
)


def publish_end(bus: Bus, end: End, duration: float, clock: Clock) -> None:
    """Publishes how an attempt ended, if that is watched; `duration` in seconds, by the clock the wait for the next."""
    kind = _kind_of(end)
    if bus.is_watched(kind):
        bus.publish(_FACTS[kind](end, _wait(end, clock) if isinstance(end, Again) else duration))
    if isinstance(end, Complete) and end.note is not None and bus.is_watched(ResultNotStored):
        bus.publish(ResultNotStored(end.id, end.type, end.attempt, end.note))


def _kind_of(end: End) -> type[Fact]:
    if isinstance(end, Complete):
        return JobCompleted
    if isinstance(end, Close):
        return JobBecameDead if end.status is Status.DEAD else JobBecameCancelled
    if end.held is not None:
        return JobHeld
    return _OF_OUTCOME.get(end.outcome, AttemptFailed)


def _error_of(end: Again | Close) -> str:
    if end.failure:
        return end.failure.summary
    return "its process ended" if end.outcome is Outcome.LOST else "no error"


def _wait(end: Again, clock: Clock) -> float:
    return max(0.0, (end.scheduled_at - clock.now()) / MICROSECONDS)


def _failed(end: Again, wait: float) -> Fact:
    error, next_at = _error_of(end), to_datetime(end.scheduled_at)
    return AttemptFailed(end.id, end.type, end.attempt, end.outcome.value, error, next_at, wait)


_OF_OUTCOME: Final = {Outcome.SNOOZED: JobSnoozed, Outcome.INTERRUPTED: JobInterrupted}
_FACTS: Final[dict[type[Fact], Callable[[Any, float], Fact]]] = {
    JobCompleted: lambda end, duration: JobCompleted(end.id, end.type, end.attempt, duration),
    JobBecameDead: lambda end, _: JobBecameDead(end.id, end.type, end.attempt, end.reason or "", _error_of(end)),
    JobBecameCancelled: lambda end, _: JobBecameCancelled(end.id, end.type, end.reason or ""),
    JobHeld: lambda end, _: JobHeld(end.id, end.type, end.reason or ""),
    JobSnoozed: lambda end, wait: JobSnoozed(end.id, end.type, to_datetime(end.scheduled_at), wait),
    JobInterrupted: lambda end, _: JobInterrupted(end.id, end.type, end.attempt),
    AttemptFailed: _failed,
}

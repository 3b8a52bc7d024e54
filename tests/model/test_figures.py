"""Figures: which ends count as what."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.buckets import bucket_of
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.figures import (
    FAILURES,
    HOUR,
    NO_ERROR,
    DurationFigures,
    EndFigures,
    Gathered,
    hour_of,
)
from aiojobs_lite.model.job import Failure, Held, Outcome, Status

FAILURE = Failure("ValueError", "no", None)
NOW = 1_800_000_000_000_000


def again(outcome: Outcome, failure: Failure | None = None, held: Held | None = None) -> Again:
    """A job that is pending again."""
    return Again(1, 1, "me", "a", outcome, NOW, failure=failure, held=held)


def closed(outcome: Outcome, status: Status, failure: Failure | None = None) -> Close:
    """A job that is dead or cancelled."""
    return Close(1, 1, "me", "a", outcome, status, None, failure)


def of_one(end: End, duration: float | None = 0.5) -> tuple[EndFigures, tuple[DurationFigures, ...]]:
    """What one end counts as."""
    gathered = Gathered()
    gathered.add(end, duration, NOW)
    write = gathered.write(0, NOW)
    assert write is not None
    (figures,) = write.ends
    return figures, write.durations


@pytest.mark.parametrize(
    ("end", "error_type", "dead", "cancelled", "is_measured"),
    [
        (Complete(1, 1, "me", "a"), NO_ERROR, 0, 0, True),
        (again(Outcome.FAILED, FAILURE), "ValueError", 0, 0, True),
        (again(Outcome.TIMED_OUT), "timed_out", 0, 0, True),
        (again(Outcome.LOST), "lost", 0, 0, False),
        (again(Outcome.INTERRUPTED, FAILURE), NO_ERROR, 0, 0, False),
        (again(Outcome.SNOOZED), NO_ERROR, 0, 0, False),
        (again(Outcome.SUSPENDED, held=Held.EVENT), NO_ERROR, 0, 0, False),
        (closed(Outcome.FAILED, Status.DEAD, FAILURE), "ValueError", 1, 0, True),
        (closed(Outcome.FAILED, Status.DEAD, FAILURE)._replace(refund=True), "ValueError", 1, 0, False),
        (closed(Outcome.LOST, Status.DEAD), "lost", 1, 0, False),
        (closed(Outcome.INTERRUPTED, Status.DEAD), "interrupted", 1, 0, False),
        (closed(Outcome.CANCELLED, Status.CANCELLED, FAILURE), NO_ERROR, 0, 1, False),
        (closed(Outcome.FAILED, Status.CANCELLED, FAILURE), "ValueError", 0, 1, True),
    ],
)
def test_each_end_counts_once(end: End, error_type: str, dead: int, cancelled: int, is_measured: bool) -> None:
    outcome = Outcome.SUCCEEDED if isinstance(end, Complete) else end.outcome
    figures, durations = of_one(end)
    micros = 500_000 if is_measured else 0
    assert figures == EndFigures("a", outcome, error_type, 1, dead, cancelled, micros, NOW, NOW)
    assert durations == ((DurationFigures("a", outcome, bucket_of(0.5), 1),) if is_measured else ())


def test_a_cancel_is_no_failure() -> None:
    assert Outcome.CANCELLED not in FAILURES
    assert {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST} == FAILURES


def test_an_attempt_whose_handler_was_not_called_counts_as_none() -> None:
    gathered = Gathered()
    gathered.add(again(Outcome.SNOOZED, held=Held.PAYLOAD), 0.0, NOW)
    assert gathered.write(0, NOW) is None


def test_ends_that_are_alike_are_counted_together() -> None:
    gathered = Gathered()
    for number in range(3):
        gathered.add(again(Outcome.FAILED, FAILURE), 0.5 * number, NOW + number)
    gathered.add(again(Outcome.LOST), None, NOW)
    write = gathered.write(7, NOW)
    assert write is not None
    assert write.hour == 7
    assert write.ends == (
        EndFigures("a", Outcome.FAILED, "ValueError", 3, 0, 0, 1_500_000, NOW, NOW + 2),
        EndFigures("a", Outcome.LOST, "lost", 1, 0, 0, 0, NOW, NOW),
    )
    assert sorted(write.durations) == sorted(
        DurationFigures("a", Outcome.FAILED, bucket_of(seconds), 1) for seconds in (0.0, 0.5, 1.0)
    )


@pytest.mark.parametrize("instant", [0, 1, HOUR - 1, HOUR, NOW, -1, -HOUR, -62135596800000000])
def test_an_hour_begins_at_or_before_its_instants(instant: int) -> None:
    begin = hour_of(instant)
    assert begin % HOUR == 0
    assert begin <= instant < begin + HOUR

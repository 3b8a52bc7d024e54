"""How attempts leave `processing`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from aiojobs_lite.model.ends import ENDS, Again, Close, Complete, End, count_restarted
from aiojobs_lite.model.job import Failure, Held, Outcome, Status

FAILURE = Failure("ValueError", "bad", None)
NOW = 1_000
MAY_CHANGE = {"restarts", "held", "scheduled_at"}
MOVES = {
    Outcome.SNOOZED: "snoozes",
    Outcome.SUSPENDED: "snoozes",
    Outcome.INTERRUPTED: "interruptions",
    Outcome.LOST: "crashes",
}


def every_again() -> Iterator[Again]:
    """One of each kind, of an attempt with each number that makes a difference, due before, at and after `NOW`."""
    for attempt, outcome, scheduled_at, held, refund, restarts in product(
        (1, 2, 3), Outcome, (NOW - 1, NOW, NOW + 1), (None, *Held), (False, True), (False, True)
    ):
        yield Again(1, attempt, "me", "email", outcome, scheduled_at, refund, held, FAILURE, "why", ("nap",), restarts)


@pytest.mark.parametrize(
    "again",
    [
        Again(1, 3, "me", "email", Outcome.FAILED, 1_000, failure=FAILURE),
        Again(1, 3, "me", "email", Outcome.SNOOZED, 1_000, refund=True, held=Held.PAYLOAD, reason="it does not fit"),
    ],
)
def test_an_end_that_would_run_again_does_not_after_a_cancel(again: Again) -> None:
    expected = Close(
        1, 3, "me", "email", again.outcome, Status.CANCELLED, "cancel requested", again.failure, again.refund
    )  # fmt: skip
    assert again.cancelled() == expected


@pytest.mark.parametrize(
    "end",
    [
        Complete(1, 3, "me", "email"),
        Again(1, 3, "me", "email", Outcome.FAILED, 1_000),
        Close(1, 3, "me", "email", Outcome.FAILED, Status.DEAD, "abandoned by its handler"),
    ],
)
def test_an_end_does_not_answer_itself(end: End) -> None:
    assert isinstance(end, ENDS)
    with pytest.raises(TypeError, match=r"give it to `Store\.apply`"):
        end.answer()


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize(("attempts", "left"), [(0, 0), (1, 1), (2, 1), (3, 1), (9, 1)])
def test_when_an_operation_ends_one_attempt_counts_and_of_a_second_one_that_was_lost_two(
    attempts: int, left: int, is_lost: bool
) -> None:
    """What follows a second attempt that was lost would have its number, and be taken for it."""
    assert count_restarted(attempts, is_lost=is_lost) == (2 if is_lost and attempts == 2 else left)


@pytest.mark.parametrize(
    ("attempt", "outcome", "refund", "restarts", "counted"),
    [
        (3, Outcome.FAILED, False, False, 3),
        (3, Outcome.SNOOZED, True, False, 2),
        (0, Outcome.SNOOZED, True, False, 0),
        (3, Outcome.FAILED, False, True, 1),
        (3, Outcome.SNOOZED, True, True, 0),
        (2, Outcome.FAILED, False, True, 1),
        (2, Outcome.LOST, False, False, 2),
        (2, Outcome.LOST, False, True, 2),
        (3, Outcome.LOST, False, True, 1),
    ],
)
def test_attempts_count_from_the_one_in_which_an_operation_ended(
    attempt: int, outcome: Outcome, refund: bool, restarts: bool, counted: int
) -> None:
    again = Again(1, attempt, "me", "email", outcome, 1_000, refund=refund, restarts=restarts)
    assert again.counted == counted


def test_an_end_is_stored_as_it_was_decided_but_for_what_is_held_or_has_an_ended_operation() -> None:
    for again in every_again():
        stored = again.resumed(NOW, has_ended_step=False)
        assert stored == again._replace(scheduled_at=stored.scheduled_at)
        assert stored.scheduled_at == (again.scheduled_at if again.held is None else min(again.scheduled_at, NOW))


def test_with_an_ended_operation_a_job_is_due_and_its_attempts_and_crashes_count_anew() -> None:
    for again in every_again():
        stored = again.resumed(NOW, has_ended_step=True)
        assert (stored.held, stored.restarts, stored.scheduled_at) == (None, True, min(again.scheduled_at, NOW))
        assert stored.counted <= (2 if again.outcome is Outcome.LOST else 1)
        assert {name for name in Again._fields if getattr(stored, name) != getattr(again, name)} <= MAY_CHANGE


@pytest.mark.parametrize("has_ended_step", [False, True])
def test_to_store_an_end_as_it_is_stored_changes_nothing(has_ended_step: bool) -> None:
    for again in every_again():
        stored = again.resumed(NOW, has_ended_step=has_ended_step)
        assert stored.resumed(NOW, has_ended_step=has_ended_step) == stored


def test_an_end_is_recorded_or_its_job_is_held_or_suspended_and_a_counter_moves_unless_it_is_held_only() -> None:
    for again in every_again():
        is_suspended = again.outcome is Outcome.SUSPENDED
        assert again.is_suspended == is_suspended
        assert again.is_recorded == (not is_suspended and again.held is None)
        assert again.counter == (None if again.held and not is_suspended else MOVES.get(again.outcome))


@pytest.mark.parametrize("outcome", Outcome)
def test_an_end_for_good_moves_the_counter_of_its_outcome(outcome: Outcome) -> None:
    assert Close(1, 3, "me", "email", outcome, Status.DEAD, None).counter == MOVES.get(outcome)

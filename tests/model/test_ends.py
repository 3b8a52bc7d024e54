"""How attempts leave `processing`."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.ends import ENDS, Again, Close, Complete, End, count_restarted
from aiojobs_lite.model.job import Failure, Held, Outcome, Status

FAILURE = Failure("ValueError", "bad", None)


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

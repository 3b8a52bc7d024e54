"""How attempts leave `processing`."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.ends import ENDS, Again, Close, Complete, End
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

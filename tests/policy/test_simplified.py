"""What is written in place of an end that the store rejects: without its details first, then the death of the job."""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Failure, Held, Outcome, Status
from aiojobs_lite.policy.simplified import is_bare, simplified

REJECTED = StoreRejected("it has a surrogate in it")
FAILURE = Failure("ValueError", "no", "a traceback")
WHY = "its end could not be stored: StoreRejected"
ENDS = [
    Complete(1, 3, "me", "a", '"done"', "a note"),
    *[Again(1, 3, "me", "a", outcome, 9, failure=FAILURE, reason="why", restarts=True) for outcome in Outcome],
    Again(1, 3, "me", "a", Outcome.SNOOZED, 9, refund=True, held=Held.PAYLOAD),
    *[
        Close(1, 3, "me", "a", Outcome.FAILED, status, reason, FAILURE)
        for status in (Status.DEAD, Status.CANCELLED)
        for reason in ("why", None)
    ],
]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_every_end_has_simpler_ones_of_the_same_attempt_and_then_none(end: End) -> None:
    found = []
    simpler = simplified(end, REJECTED)
    while simpler is not None:
        found.append(simpler)
        simpler = simplified(simpler, REJECTED)
    bare = found[0]
    assert type(bare) is type(end)
    assert is_bare(bare)
    assert {one[:4] for one in found} == {end[:4]}
    if isinstance(end, Close):
        assert found == [end._replace(failure=None, reason=WHY)]
        return
    outcome = end.outcome if isinstance(end, Again) else Outcome.FAILED
    assert found[1:] == [Close(1, 3, "me", "a", outcome, Status.DEAD, WHY)]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_the_first_one_keeps_all_but_the_details(end: End) -> None:
    assert not is_bare(end)
    if isinstance(end, Complete):
        assert simplified(end, REJECTED) == end._replace(result=None, note=WHY)
    else:
        assert simplified(end, REJECTED) == end._replace(failure=None, reason=WHY)

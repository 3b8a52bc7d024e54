"""The outcome of an attempt by what its handler raised."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import Abandon, Cancel, Outcome, Retry, Snooze
from aiojobs_lite.observe.verdicts import is_fault, outcome_of

ROWS = [
    (None, Outcome.SUCCEEDED, False),
    (ValueError("x"), Outcome.FAILED, True),
    (SystemExit(3), Outcome.FAILED, True),
    (Retry(after=1), Outcome.FAILED, True),
    (Abandon("x"), Outcome.FAILED, True),
    (Snooze(1), Outcome.SNOOZED, False),
    (Cancel("x"), Outcome.CANCELLED, False),
    (asyncio.CancelledError("aiojobs_lite: timeout"), Outcome.TIMED_OUT, True),
    (asyncio.CancelledError("aiojobs_lite: cancel"), Outcome.CANCELLED, False),
    (asyncio.CancelledError("aiojobs_lite: suspend"), Outcome.SUSPENDED, False),
    (asyncio.CancelledError("aiojobs_lite: shutdown"), Outcome.INTERRUPTED, False),
    (asyncio.CancelledError(), Outcome.INTERRUPTED, False),
]


@pytest.mark.parametrize(("raised", "outcome", "fault"), ROWS)
def test_outcomes(raised: BaseException | None, outcome: Outcome, fault: bool) -> None:
    assert (outcome_of(raised), is_fault(outcome)) == (outcome, fault)

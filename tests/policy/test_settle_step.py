"""What becomes of a step that failed: for good, or when it is run again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import Backoff
from aiojobs_lite.clock import FIRST_INSTANT, LAST_INSTANT
from aiojobs_lite.durations import LONGEST_S
from aiojobs_lite.model.steps import StepState
from aiojobs_lite.policy.settle_step import StepEnd, settle_step
from aiojobs_lite.policy.verdict import Verdict, Wish

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND
BACKOFF = Backoff(base=10, cap=60)


def settled(verdict: Verdict, attempts: int = 0, most: int = 3) -> StepEnd:
    return settle_step(verdict, attempts, most, BACKOFF, NOW, chance=lambda: 1.0)


def waiting(attempts: int, seconds: float) -> StepEnd:
    return StepEnd(StepState.WAITING, attempts, NOW + round(seconds * SECOND))


@pytest.mark.parametrize(
    ("verdict", "attempts", "end"),
    [
        (Verdict(Wish.AGAIN), 0, waiting(1, 10)),
        (Verdict(Wish.AGAIN), 1, waiting(2, 20)),
        (Verdict(Wish.AGAIN), 2, StepEnd(StepState.FAILED, 3, None)),
        (Verdict(Wish.AGAIN), 7, StepEnd(StepState.FAILED, 8, None)),
        (Verdict(Wish.RETRY), 1, waiting(2, 20)),
        (Verdict(Wish.RETRY, delay=5.0), 1, waiting(2, 5)),
        (Verdict(Wish.RETRY, delay=5.0, at=NOW + 9 * SECOND), 1, waiting(2, 9)),
        (Verdict(Wish.RETRY, at=NOW - 1), 1, waiting(2, 0)),
        (Verdict(Wish.RETRY, delay=math.inf), 1, waiting(2, LONGEST_S)),
        (Verdict(Wish.RETRY, delay=math.nan), 1, waiting(2, LONGEST_S)),
        (Verdict(Wish.RETRY, delay=-math.inf), 1, waiting(2, 0)),
        (Verdict(Wish.RETRY, delay=5.0), 2, StepEnd(StepState.FAILED, 3, None)),
        (Verdict(Wish.SNOOZE, delay=5.0), 2, waiting(2, 5)),
        (Verdict(Wish.SNOOZE), 0, waiting(0, 10)),
        (Verdict(Wish.NEVER), 0, StepEnd(StepState.FAILED, 1, None)),
        (Verdict(Wish.ABANDON), 0, StepEnd(StepState.FAILED, 1, None)),
        (Verdict(Wish.CANCEL), 0, StepEnd(StepState.FAILED, 1, None)),
    ],
)
def test_each_wish_has_its_end(verdict: Verdict, attempts: int, end: StepEnd) -> None:
    assert settled(verdict, attempts) == end


def test_a_step_with_one_attempt_fails_at_once() -> None:
    assert settled(Verdict(Wish.AGAIN), most=1) == StepEnd(StepState.FAILED, 1, None)


@given(
    st.builds(
        Verdict,
        st.sampled_from(Wish),
        delay=st.none() | st.floats() | st.integers(),
        at=st.none() | st.integers(FIRST_INSTANT, LAST_INSTANT),
    ),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.integers(0, NOW * 2),
)
def test_it_decides_whatever_a_step_asks_for(verdict: Verdict, attempts: int, most: int, now: int) -> None:
    end = settle_step(verdict, attempts, most, BACKOFF, now)
    assert (end.until is None) is (end.state is StepState.FAILED)
    assert end.until is None or now <= end.until <= now + round(LONGEST_S * SECOND)
    assert end.attempts - attempts == (verdict.wish is not Wish.SNOOZE)
    assert end.state is StepState.FAILED or verdict.wish is Wish.SNOOZE or end.attempts < most

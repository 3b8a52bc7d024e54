"""The wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.policy.backoff import Backoff


def longest() -> float:
    return 1.0


def shortest() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [
        (1, longest, 2.0),
        (1, shortest, 1.0),
        (2, longest, 4.0),
        (3, shortest, 4.0),
        (11, longest, 2048.0),
        (12, longest, 3600.0),
        (12, shortest, 1800.0),
        (1_000_000, longest, 3600.0),
    ],
)
def test_the_backoff_doubles_up_to_its_cap(attempt: int, chance: Callable[[], float], expected: float) -> None:
    assert Backoff().delay(attempt, chance) == expected


@given(st.floats(0.001, 1e6), st.floats(0, 1e9), st.integers(1, 10_000))
def test_the_backoff_stays_within_half_and_whole_of_its_formula(base: float, more: float, attempt: int) -> None:
    cap = base + more
    full = min(cap, base * 2.0 ** min(attempt - 1, 200))
    assert full * 0.5 <= Backoff(base, cap).delay(attempt) <= full


def test_the_jitter_differs_from_one_wait_to_the_next() -> None:
    assert len({Backoff().delay(1) for _ in range(50)}) > 10


def test_a_backoff_takes_durations_and_shows_seconds() -> None:
    backoff = Backoff(base="500ms", cap=timedelta(minutes=2))
    assert (backoff.base, backoff.cap) == (0.5, 120.0)
    assert repr(backoff) == "Backoff(base='500ms', cap='2m')"
    assert repr(Backoff()) == "Backoff(base='2s', cap='1h')"


def test_backoffs_are_equal_by_their_values() -> None:
    assert Backoff("2s", "1h") == Backoff()
    assert hash(Backoff("2s", "1h")) == hash(Backoff())
    assert Backoff(1) != Backoff()
    assert Backoff(2, 60) != Backoff()
    assert Backoff() != (2.0, 3600.0)


@pytest.mark.parametrize(
    ("base", "cap", "option", "expected"),
    [
        (0, 10, "base", "from 1ms to a century"),
        (-1, 10, "base", "from 1ms to a century"),
        ("soon", 10, "base", "expected seconds"),
        (1, "late", "cap", "expected seconds"),
        (10, 9, "cap", r"expected at least base, 10s"),
        ("2h", "1h", "cap", r"cap='1h': expected at least base, 2h"),
    ],
)
def test_a_backoff_that_cannot_work_is_refused(base: Any, cap: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption, match=expected) as caught:
        Backoff(base, cap)
    assert caught.value.option == option

"""The fake clock: it moves when the test says so, and calls what comes due in order."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.clock import to_micros
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.instants import START


def test_it_stands_still_at_its_start() -> None:
    clock = FakeClock(START + timedelta(hours=1))
    assert clock.time == START + timedelta(hours=1)
    assert clock.now() == clock.now() == to_micros(clock.time)
    assert FakeClock().time == START


def test_calls_are_made_in_order_each_at_its_own_time() -> None:
    clock, calls = FakeClock(), list[tuple[str, datetime]]()
    for name, delay in (("late", 3.0), ("first of two", 1.0), ("second of two", 1.0), ("after the end", 5.1)):
        clock.call_later(delay, lambda name=name: calls.append((name, clock.time)))  # type: ignore[misc]
    clock.advance("5s")
    assert calls == [
        ("first of two", START + timedelta(seconds=1)),
        ("second of two", START + timedelta(seconds=1)),
        ("late", START + timedelta(seconds=3)),
    ]
    assert clock.time == START + timedelta(seconds=5)
    clock.advance(0.1)
    assert calls[3:] == [("after the end", START + timedelta(seconds=5.1))]


def test_a_call_that_is_called_off_is_not_made() -> None:
    clock, calls = FakeClock(), list[int]()
    clock.call_later(1, lambda: calls.append(1)).cancel()
    clock.advance("1h")
    assert calls == []


def test_what_a_call_arranges_is_called_in_the_same_move_if_it_comes_due() -> None:
    clock, calls = FakeClock(), list[datetime]()

    def again() -> None:
        calls.append(clock.time)
        clock.call_later(2, again)

    clock.call_later(2, again)
    clock.advance("5s")
    assert calls == [START + timedelta(seconds=2), START + timedelta(seconds=4)]


def test_it_may_be_set_back_and_timers_keep_their_instant() -> None:
    clock, calls = FakeClock(), list[datetime]()
    clock.call_later(10, lambda: calls.append(clock.time))
    clock.jump_to(START - timedelta(days=1))
    assert (clock.time, calls) == (START - timedelta(days=1), [])
    clock.advance("1d")
    assert calls == []
    clock.advance("10s")
    assert calls == [START + timedelta(seconds=10)]


def test_a_call_that_is_overdue_is_made_at_the_clocks_time() -> None:
    clock, calls = FakeClock(), list[datetime]()
    clock.call_later(-5, lambda: calls.append(clock.time))
    clock.advance("1s")
    assert calls == [START]


def test_it_is_not_advanced_back() -> None:
    with pytest.raises(InvalidOption, match="by"):
        FakeClock().advance(-1)

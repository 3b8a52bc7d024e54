"""What waits for the next transaction: what goes first, how much goes together, and what becomes of it in a fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite.clock import Alarm
from aiojobs_lite.engine.entries import Cohort
from aiojobs_lite.engine.unit_queue import UNITS_TOGETHER, UnitQueue
from aiojobs_lite.errors import RunnerClosed, StoreUnavailable
from aiojobs_lite.model.steps import NewRan
from aiojobs_lite.testing import FakeClock

FULL = StoreUnavailable("SQLITE_FULL", "database or disk is full")
STEP = NewRan(1, 1, "me", "fetch", "{}", 1)


def ignored(*_: Any) -> None: ...


def names(entries: list[Any]) -> list[Any]:
    return [unit for unit, _, _ in entries]


async def test_the_engines_own_go_first_and_the_rest_waits_for_the_next_transaction() -> None:
    queue = UnitQueue(Alarm(FakeClock()))
    for number in range(UNITS_TOGETHER):
        queue.add((number,))  # type: ignore[arg-type]  # any write will do
    queue.kept.append((("kept",), None, ignored))  # type: ignore[arg-type]
    assert len(queue.next_of_callers()) == UNITS_TOGETHER
    assert names(queue.take()) == [("kept",), *[(number,) for number in range(UNITS_TOGETHER - 1)]]
    assert names(queue.take()) == [(UNITS_TOGETHER - 1,)]
    assert queue.take() == []


async def test_more_of_the_engines_own_than_go_together_leave_callers_waiting() -> None:
    queue = UnitQueue(Alarm(FakeClock()))
    queue.kept += [((number,), None, ignored) for number in range(UNITS_TOGETHER + 1)]  # type: ignore[misc]
    queue.add(("caller",))  # type: ignore[arg-type]
    assert len(queue.take()) == UNITS_TOGETHER
    assert names(queue.take()) == [(UNITS_TOGETHER,), ("caller",)]


async def test_steps_take_more_steps_until_they_are_taken_themselves() -> None:
    queue, first, second = UnitQueue(Alarm(FakeClock())), Cohort(), Cohort()
    queue.add_steps(first)
    queue.add_steps(second)  # the first one is full, say
    assert queue.cohort is first
    assert [entry[1] for entry in queue.take()] == [first, second]
    assert queue.cohort is None


async def test_of_a_transaction_that_failed_the_engines_own_are_kept_in_their_order() -> None:
    queue = UnitQueue(Alarm(FakeClock()))
    answer = queue.add(("caller",))  # type: ignore[arg-type]
    queue.kept.append((("first",), None, ignored))  # type: ignore[arg-type]
    taken = queue.take()
    queue.kept.append((("later",), None, ignored))  # type: ignore[arg-type]
    queue.put_back(taken, FULL)
    assert names(queue.kept) == [("first",), ("later",)]
    with pytest.raises(StoreUnavailable) as caught:
        await answer
    assert caught.value is not FULL  # each caller has an error of its own


async def test_those_that_wait_are_refused_and_none_waits_any_more() -> None:
    queue, steps = UnitQueue(Alarm(FakeClock())), Cohort()
    answers = [queue.add(()), queue.add(()), steps.add(STEP)]
    queue.add_steps(steps)
    answers[0].cancel()
    queue.refuse(RunnerClosed)
    found = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError, RunnerClosed, RunnerClosed]
    assert (queue.waiting, queue.cohort) == ([], None)

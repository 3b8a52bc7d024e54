"""The list of attempts: which run, which hold a slot, which ends are to be saved, and when none is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.clock import Timer
from aiojobs_lite.engine.running import AttemptRegister, Running, trouble_of
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed
from tests.helpers.waiting import PATIENCE, quiet


@job
async def waits() -> None:
    await asyncio.Event().wait()


@job
def threaded() -> None: ...


def attempt(job_id: int = 1, job_type: JobType[..., Any] = waits, *, number: int = 1) -> Running:
    return Running(claimed(job_id, job_type.name, attempt=number), job_type)


def register(*runs: Running) -> AttemptRegister:
    made = AttemptRegister()
    for run in runs:
        made.add(run)
    return made


def timers(count: int) -> tuple[FakeClock, list[Timer], list[int]]:
    """A clock, its timers of a second, and which of them were called."""
    clock, called = FakeClock(), list[int]()
    return clock, [clock.call_later(1, partial(called.append, n)) for n in range(count)], called


# One attempt.


def test_a_plain_function_can_ask_whether_to_stop_and_a_coroutine_is_cancelled() -> None:
    assert attempt(job_type=waits).stopping is None
    stopping = attempt(job_type=threaded).stopping
    assert stopping is not None
    assert not stopping.is_set()


def test_all_timers_of_an_attempt_are_called_off() -> None:
    clock, made, called = timers(2)
    run = attempt()
    run.call_off_timers()
    for timer in made:
        run.add_timer(timer)
    assert run.timers == made
    run.call_off_timers()
    assert run.timers is None
    clock.advance("2s")
    assert called == []


async def test_the_stack_of_a_coroutine_says_where_it_waits() -> None:
    run = attempt()
    run.task = asyncio.create_task(waits.handler())
    await quiet()
    assert "in waits" in run.stack()
    run.task.cancel()


def test_the_stack_of_a_thread_says_where_it_is_once_it_runs() -> None:
    run = attempt(job_type=threaded)
    assert run.stack() == "(its thread has not started)"
    run.thread_id = threading.get_ident()
    assert "in test_the_stack_of_a_thread_says_where_it_is_once_it_runs" in run.stack()


def test_a_new_attempt_has_not_begun_and_nothing_was_asked_of_it() -> None:
    run = attempt()
    assert not any((run.is_entered, run.is_given_up, run.is_stuck, run.cancel_reason))
    assert (run.stopped, run.task, run.thread, run.timers) == (None, None, None, None)


# All of them.


def test_an_attempt_runs_from_its_start_to_its_end_and_is_then_to_be_saved() -> None:
    run, other = attempt(1), attempt(2)
    attempts = register(run, other)
    assert (attempts.running, attempts.unsaved, list(attempts)) == (2, 0, [run, other])
    assert (attempts.find(1), attempts.find(3)) == (run, None)
    run.started -= 5
    attempts.ended(run)
    assert (attempts.running, attempts.unsaved, list(attempts), attempts.find(1)) == (1, 1, [other], None)
    assert 5 <= attempts.unsaved_ends[1] < 5 + PATIENCE
    assert 5 <= attempts.saved(1) < 5 + PATIENCE
    assert (attempts.unsaved, attempts.saved(1)) == (0, 0.0)


def test_stuck_are_those_that_go_on() -> None:
    runs = [attempt(n) for n in range(3)]
    attempts = register(*runs)
    assert attempts.troubles() == ()
    for run in runs[:2]:
        run.stopped = Stop.TIMEOUT
        attempts.found_stuck(run, trouble_of(run, 0))
    assert attempts.stuck == 2
    assert [(one.kind, one.job_id, one.why) for one in attempts.troubles()] == [
        ("stuck", 0, "timeout"), ("stuck", 1, "timeout"),
    ]  # fmt: skip
    attempts.ended(runs[0])
    assert attempts.stuck == 1
    assert [one.job_id for one in attempts.troubles()] == [1]


def test_an_attempt_that_was_displaced_is_stuck_until_it_ends() -> None:
    run = attempt(1)
    attempts = register(run)
    attempts.found_stuck(run, trouble_of(run, 0))
    attempts.add(attempt(1))
    assert [one.job_id for one in attempts.troubles()] == [1]
    attempts.ended(run)
    assert attempts.troubles() == ()


async def test_a_task_is_known_by_the_attempt_that_it_is() -> None:
    run, other = attempt(1), attempt(2, threaded)
    attempts = register(run, other)
    run.task = asyncio.create_task(waits.handler())
    assert attempts.attempt_of(run.task) is run.claimed
    assert attempts.attempt_of(asyncio.current_task()) is None
    assert attempts.attempt_of(None) is None  # although `other` has none
    run.task.cancel()


def test_owned_are_those_that_run_those_to_be_saved_and_those_that_start_while_it_is_watched() -> None:
    ended = attempt(1)
    attempts = register(ended, attempt(2))
    attempts.ended(ended)
    owned = attempts.watch_owned()
    assert owned == {1, 2}
    attempts.add(attempt(3))
    attempts.saved(1)
    assert owned == {1, 2, 3}
    assert attempts.watch_owned() == {2, 3}
    attempts.add(attempt(4))
    assert owned == {1, 2, 3}


@pytest.mark.parametrize("leave", [AttemptRegister.ended, AttemptRegister.forget])
def test_the_next_attempt_of_a_job_does_not_displace_the_slot_of_the_one_before(
    leave: Callable[[AttemptRegister, Running], None],
) -> None:
    """The job was taken from this runner while it ran, and came to it again."""
    before, after = attempt(1, number=1), attempt(1, number=2)
    attempts = register(before, after)
    assert attempts.find(1) is after
    assert attempts.with_slots == [after, before]
    leave(attempts, before)
    assert attempts.find(1) is after
    assert attempts.with_slots == [after]
    leave(attempts, after)
    assert attempts.with_slots == []


def test_the_same_attempt_added_twice_holds_one_slot() -> None:
    run = attempt()
    assert register(run, run).with_slots == [run]


async def test_the_end_of_the_last_attempt_is_awaited() -> None:
    first, second = attempt(1), attempt(2)
    attempts = register(first, second)
    waiting = asyncio.create_task(attempts.wait_until_done())
    await quiet()
    attempts.ended(first)
    await quiet()
    assert not waiting.done()
    attempts.ended(second)
    third = attempt(3)
    attempts.add(third)  # before the waiting task has its turn
    await quiet()
    assert not waiting.done()
    attempts.ended(third)
    await waiting
    await attempts.wait_until_done()


# What is left.


async def test_what_is_left_is_not_waited_for_by_the_loop_and_its_timers_are_called_off() -> None:
    clock, (timer,), called = timers(1)
    run, plain = attempt(1), attempt(2, threaded)
    run.task = asyncio.create_task(waits.handler())
    run.add_timer(timer)
    attempts = register(run, plain)
    assert run.task in asyncio.all_tasks()
    attempts.leave()
    attempts.leave()
    assert attempts.is_left
    assert run.task not in asyncio.all_tasks()
    clock.advance("2s")
    assert called == []
    run.task.cancel()
    await asyncio.wait([run.task])


def test_the_end_of_what_was_left_is_known_once() -> None:
    runs, called = [attempt(1), attempt(2)], list[int]()
    attempts = register(*runs)
    attempts.when_empty(lambda: called.append(1))
    attempts.forget(runs[0])
    assert called == []
    attempts.forget(runs[1])
    assert called == [1]
    attempts.when_empty(lambda: called.append(2))
    assert called == [1, 2]
    assert attempts.unsaved == 0

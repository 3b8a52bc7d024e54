"""Runs of chaos as they may have been, with durable functions, events and children: with a breach each, or without.

Process 1, of the owner a, is killed at 10; process 2, of the owner b, lives on. Job 4 is the function.
"""

from __future__ import annotations

import json
from typing import Any

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.evidence import EventRow, OperationRow
from tests.chaos.functions import ANSWERED, ASKED, NEWS
from tests.chaos.past import Past, Pasts

PASTS = Pasts()
breach, good = PASTS.breach, PASTS.good


def function(past: Past, *begun: float, snoozes: int | None = None, number: int = 4) -> None:
    """A function whose attempts in process 2 begin at these instants; the last one completes it."""
    past.job(number, "completed", 1, "b:1", "in_turn")
    past.change(number, snoozes=len(begun) - 1 if snoozes is None else snoozes)
    for at in begun:
        past.run(number, 1, "b", at, at + 1, "in_turn")


def lost_once(past: Past) -> None:
    """A function that was lost with process 1, and completed by process 2."""
    past.job(4, "completed", 2, "b:2", "in_turn")
    past.run(4, 1, "a", 9, None, "in_turn")
    past.row(4, 1, "lost", "a", 11)
    past.run(4, 2, "b", 12, 14, "in_turn")


def lost_three_times(past: Past) -> None:
    """A function that its crashes made dead."""
    past.job(4, "dead", 3, None, "asks")
    past.run(4, 3, "a", 9, None, "asks")
    for number in (1, 2, 3):
        past.row(4, number, "lost", "a", 10.5 + number / 10)


def lost_in_three_processes(past: Past) -> None:
    """The same, with a process for each attempt: they were killed at 10, 12 and 14."""
    past.job(4, "dead", 3, None, "asks")
    for number, (owner, killed) in enumerate((("a", 10), ("c", 12), ("d", 14)), start=1):
        if number > 1:
            past.fork(number + 1, owner, killed - 3)
            past.kill(killed, number + 1)
        past.run(4, number, owner, killed - 1, None, "asks")
        past.row(4, number, "lost", owner, killed + 0.5)


def step(past: Past, token: str, at: float, run: str, ended: float | None = 0.1, most: int = 3) -> None:
    """A call of the function of a step, in an attempt, for so long."""
    writer = "?abcd".index(run.split(".")[2])
    past.note(at, "does", writer, job=4, step="s", run=run, token=token, most=most)
    if ended is not None:
        past.note(at + ended, "did", writer, token=token, how="returned")


def got(past: Past, value: str | None, at: float, run: str, name: str = "s") -> None:
    past.note(at, "got", "?abcd".index(run.split(".")[2]), job=4, step=name, run=run, value=value)


def stored(past: Past, memo: object, *, attempts: int = 1, **fields: Any) -> None:
    """The operation of job 4 as it stands in the end."""
    row = OperationRow(4, "s", "run", "done", attempts, json.dumps(memo), ended_at=21 * MICROSECONDS)
    past.operations.append(row._replace(**fields))


def event(past: Past, key: str, at: float, name: str = NEWS, **data: Any) -> None:
    """An event that was sent, and acknowledged."""
    past.note(at, "sending", 2, key=key)
    past.note(at + 0.1, "sent", 2, key=key, is_new=True)
    past.events.append(EventRow(key, name, {"job": 2} | data, round(at * MICROSECONDS)))


def listener(past: Past, number: int, key: str, kind: str) -> None:
    """A job that an event has started."""
    past.done(number, 1, "b", 20 + number, kind)
    past.made_otherwise(number, event=key)


def waiting(past: Past, memo: object, since: float = 1.5) -> None:
    """A wait for an answer, over at 30, for a function that was enqueued at an instant."""
    function(past, 20, 31)
    past.note(20.1, "waiting", 2, job=4, step="s", event=ANSWERED, match={"number": 7}, since=since * MICROSECONDS)
    stored(past, memo, kind="event", attempts=0, ended_at=30 * MICROSECONDS)


def child(past: Past, number: int, place: str = "s") -> None:
    """A child of job 4."""
    past.done(number, 1, "b", 20 + number, "leaf")
    past.made_otherwise(number, parent=(4, place))


@breach("stored steps run again")
def a_step_that_runs_after_it_was_stored(past: Past) -> None:
    lost_once(past)
    step(past, "1.1", 9.1, "4.1.a.9")
    step(past, "2.1", 12.1, "4.2.b.12")
    got(past, "1.1", 12.3, "4.2.b.12")
    stored(past, "1.1")


@breach("stored steps run again")
def a_step_that_runs_after_it_was_given_and_before_it_was_deleted(past: Past) -> None:
    function(past, 20, 22)
    step(past, "2.1", 20.1, "4.1.b.20")
    got(past, "2.1", 20.3, "4.1.b.20")
    step(past, "2.2", 22.1, "4.1.b.22")
    past.note(30, "deleting", 2, job=4, call="c4")


@breach("stored steps run again")
def a_result_of_no_call(past: Past) -> None:
    function(past, 20)
    step(past, "2.1", 20.1, "4.1.b.20")
    stored(past, "2.7")


@breach("stored steps run again")
def a_step_that_failed_for_good_and_runs_again(past: Past) -> None:
    function(past, 20, 22)
    step(past, "2.1", 20.1, "4.1.b.20")
    got(past, "StepFailed: 2", 20.3, "4.1.b.20")
    step(past, "2.2", 22.1, "4.1.b.22")
    stored(past, None, attempts=2, state="failed")


@breach("overlapping steps")
def a_thread_of_a_step_that_goes_on_while_the_next_attempt_calls_it(past: Past) -> None:
    function(past, 20, 22)
    step(past, "2.1", 20.1, "4.1.b.20", ended=2.5)
    step(past, "2.2", 22.1, "4.1.b.22")
    stored(past, "2.2")


@breach("attempts of steps miscounted")
def a_step_that_is_tried_too_often(past: Past) -> None:
    function(past, 20, 22, 24)
    for number, at in enumerate((20, 22, 24)):
        step(past, f"2.{number}", at + 0.1, f"4.1.b.{at}", most=2)
    stored(past, "2.2", attempts=3)


@breach("attempts of steps miscounted")
def tries_of_a_step_that_are_not_counted(past: Past) -> None:
    function(past, 20)
    for number in range(3):
        step(past, f"2.{number}", 20.1 + number / 5, "4.1.b.20")
    stored(past, "2.2", attempts=1)


@breach("results that differ")
def another_result_in_the_next_attempt(past: Past) -> None:
    function(past, 20, 22)
    got(past, "2.1", 20.2, "4.1.b.20")
    got(past, "2.2", 22.2, "4.1.b.22")


@breach("results that differ")
def another_result_than_is_stored(past: Past) -> None:
    function(past, 20)
    got(past, "5", 20.2, "4.1.b.20")
    stored(past, 6)


@breach("results that differ")
def an_event_in_place_of_none(past: Past) -> None:
    event(past, "e", 35, ANSWERED, number=7)
    waiting(past, {"id": "e"})
    got(past, None, 31.1, "4.1.b.31")


@breach("results that differ")
def a_child_that_died_and_has_a_result(past: Past) -> None:
    function(past, 20)
    got(past, "JobDead", 20.2, "4.1.b.20")
    stored(past, {"data": "b:1"}, kind="child", attempts=0)


@breach("suspensions miscounted")
def an_attempt_that_ended_without_a_record(past: Past) -> None:
    function(past, 20, 22, snoozes=0)


@breach("suspensions miscounted")
def a_suspension_too_many(past: Past) -> None:
    function(past, 20, 22, snoozes=2)


@breach("suspensions miscounted")
def a_number_left_out_between_two_attempts(past: Past) -> None:
    past.job(4, "completed", 3, "b:3", "in_turn")
    past.run(4, 1, "b", 20, 21, "in_turn")
    past.row(4, 1, "failed", "b", 21)
    past.run(4, 3, "b", 22, 23, "in_turn")
    past.row(4, 3, "failed", "b", 23)
    past.run(4, 3, "b", 24, 25, "in_turn")


@breach("functions ended wrongly")
def a_function_that_dies_of_a_crash(past: Past) -> None:
    past.job(4, "dead", 1, None, "asks")
    past.run(4, 1, "a", 9, None, "asks")
    past.row(4, 1, "lost", "a", 11)


@breach("functions ended wrongly")
def a_function_that_dies_of_three_crashes_between_which_an_operation_ended(past: Past) -> None:
    lost_in_three_processes(past)
    stored(past, None, ended_at=round(13.5 * MICROSECONDS))


@breach("functions ended wrongly")
def a_function_that_must_die_and_does_not(past: Past) -> None:
    past.done(4, 1, "b", 20, "falls")


@breach("sleeps cut short")
def a_sleep_that_ends_too_early(past: Past) -> None:
    function(past, 20)
    stored(past, None, kind="sleep", attempts=0, until=25 * MICROSECONDS)


@breach("events lost")
def an_acknowledged_event_that_is_not_there(past: Past) -> None:
    event(past, "e", 20)
    past.events.clear()


@breach("events lost")
def an_event_of_a_function_that_is_not_there(past: Past) -> None:
    past.note(20, "has sent", 2, by=[4, "s"])


@breach("events lost")
def an_event_that_has_not_started_its_listener(past: Past) -> None:
    event(past, "e", 20, ASKED)


@breach("events doubled")
def an_event_that_has_started_its_listener_twice(past: Past) -> None:
    event(past, "e", 20, ASKED)
    listener(past, 4, "e", "answers")
    listener(past, 5, "e", "answers")


@breach("events doubled")
def an_event_that_has_started_a_job_that_does_not_listen(past: Past) -> None:
    event(past, "e", 20)
    listener(past, 4, "e", "answers")


@breach("events doubled")
def two_events_of_one_id(past: Past) -> None:
    event(past, "e", 20)
    event(past, "e", 22)


@breach("events doubled")
def two_events_of_one_operation(past: Past) -> None:
    for key in ("e", "f"):
        event(past, key, 20, by=[4, "s"])


@breach("waits over in vain")
def a_wait_that_is_over_although_its_event_was_there(past: Past) -> None:
    waiting(past, None)
    event(past, "e", 25, ANSWERED, number=7)


@breach("waits over in vain")
def a_wait_that_was_given_another_event(past: Past) -> None:
    waiting(past, {"id": "e"})
    event(past, "e", 25, ANSWERED, number=8)


@breach("waits over in vain")
def a_wait_that_is_over_although_a_function_had_sent_its_event(past: Past) -> None:
    waiting(past, None)
    past.events.append(EventRow("e", ANSWERED, {"job": 2, "number": 7, "by": [2, "s"]}, 25 * MICROSECONDS))
    past.note(25.1, "has sent", 2, by=[2, "s"])


@breach("children doubled")
def two_children_of_one_operation(past: Past) -> None:
    function(past, 20)
    stored(past, {"data": "b:1"}, kind="child", attempts=0)
    past.children[4, "s"] = 5
    child(past, 5)
    child(past, 6)


@breach("children doubled")
def a_child_of_no_operation(past: Past) -> None:
    function(past, 20)
    child(past, 5)


@breach("children doubled")
def a_child_with_another_result_than_its_parent_was_given(past: Past) -> None:
    function(past, 20)
    stored(past, {"data": "a:1"}, kind="child", attempts=0)
    past.children[4, "s"] = 5
    child(past, 5)


@breach("children doubled")
def a_child_of_another_operation(past: Past) -> None:
    function(past, 20)
    for name in ("s", "t"):
        stored(past, {"data": "b:1"}, kind="child", attempts=0, name=name)
    past.children[4, "t"] = 5
    child(past, 5)


# What is no breach.


@good
def a_step_that_was_lost_between_its_return_and_its_commit(past: Past) -> None:
    lost_once(past)
    step(past, "1.1", 9.1, "4.1.a.9")
    step(past, "2.1", 12.1, "4.2.b.12")
    for at in (12.3, 12.4):
        got(past, "2.1", at, "4.2.b.12")
    stored(past, "2.1")


@good
def a_step_that_was_killed_inside(past: Past) -> None:
    lost_once(past)
    step(past, "1.1", 9.1, "4.1.a.9", ended=None)
    step(past, "2.1", 12.1, "4.2.b.12")
    stored(past, "2.1")


@good
def a_step_that_a_robbed_process_begins_when_it_goes_on(past: Past) -> None:
    past.note(9.05, "robbed", 0, worker=1)
    lost_once(past)
    step(past, "2.1", 12.1, "4.2.b.12")
    step(past, "1.1", 13.1, "4.1.a.9")
    stored(past, "2.1")


@good
def a_function_that_was_suspended_and_then_lost_before_its_handler_was_called(past: Past) -> None:
    past.job(4, "completed", 2, "b:2", "in_turn")
    past.change(4, snoozes=1)
    past.run(4, 1, "a", 8, 8.5, "in_turn")
    past.row(4, 1, "lost", "a", 11)
    past.run(4, 2, "b", 12, 14, "in_turn")


@good
def a_function_that_was_redriven_after_a_step_had_failed(past: Past) -> None:
    function(past, 20, 32)
    past.row(4, 1, "failed", "b", 21)
    step(past, "2.1", 20.1, "4.1.b.20")
    got(past, "StepFailed: 1", 20.3, "4.1.b.20")
    past.note(30, "redriving", 2, job=4)
    step(past, "2.2", 32.1, "4.1.b.32")
    got(past, "2.2", 32.3, "4.1.b.32")
    stored(past, "2.2")


@good
def a_function_that_dies_of_its_third_crash(past: Past) -> None:
    lost_three_times(past)


@good
def a_function_that_dies_of_its_third_crash_since_an_operation_ended_after_the_first(past: Past) -> None:
    lost_three_times(past)
    stored(past, None, ended_at=round(10.65 * MICROSECONDS))


@good
def a_function_that_dies_of_crashes_one_of_which_was_recorded_later_than_it_seems(past: Past) -> None:
    """The rescue of the second attempt was given its instant, 12.5, and then waited for the file."""
    lost_in_three_processes(past)
    stored(past, None, ended_at=round(12.7 * MICROSECONDS))


@good
def a_function_that_dies_of_crashes_while_the_clock_is_stepped(past: Past) -> None:
    lost_three_times(past)
    past.note(9.5, "stepped", 0, offset=-3600)
    stored(past, None, ended_at=round((10.75 - 3600) * MICROSECONDS))


@good
def a_sleep_that_ends_by_a_clock_that_was_set_back(past: Past) -> None:
    function(past, 20)
    past.note(20.5, "stepped", 0, offset=-3600)
    stored(past, None, kind="sleep", attempts=0, until=25 * MICROSECONDS, ended_at=(21 - 3600) * MICROSECONDS)


@good
def an_event_and_the_jobs_of_its_listeners(past: Past) -> None:
    event(past, "e", 20, ASKED, job=7)
    listener(past, 4, "e", "answers")
    listener(past, 5, "e", "listens")


@good
def one_id_twice_after_the_clock_was_set_ahead_by_two_days(past: Past) -> None:
    event(past, "e", 20)
    past.note(21, "stepped", 0, offset=48 * 3600)
    event(past, "e", 22)
    past.events[-1] = past.events[-1]._replace(sent_at=(22 + 48 * 3600) * MICROSECONDS)


@good
def a_wait_that_was_over_before_its_event_came(past: Past) -> None:
    waiting(past, None)
    event(past, "e", 32, ANSWERED, number=7)
    event(past, "f", 25, ANSWERED, number=8)


@good
def a_wait_for_an_event_that_was_sent_before_its_function_by_a_clock_that_was_set_back(past: Past) -> None:
    waiting(past, None, since=26)
    event(past, "e", 25, ANSWERED, number=7)


@good
def a_child_that_was_redriven_after_its_parent_had_gone_on(past: Past) -> None:
    function(past, 20)
    stored(past, {"error": {"status": "dead"}}, kind="child", state="failed", attempts=0)
    got(past, "JobDead", 20.2, "4.1.b.20")
    past.children[4, "s"] = 5
    child(past, 5)
    past.note(19, "redriving", 2, job=5)

"""The audit of a chaos run finds each breach in what a run could have left, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.chaos import flow_pasts, functions_pasts, reactions_pasts
from tests.chaos.auditor import CHECKS
from tests.chaos.past import Past, Pasts
from tests.chaos.story import Life, longest_chance


def late_end(past: Past, number: int) -> None:
    """A job that was taken from a robbed owner, whose handler then returned."""
    past.job(number, "completed", 2, "b:2")
    past.run(number, 1, "a", 9, 9.95)
    past.row(number, 1, "lost", "a", 9.6)
    past.run(number, 2, "b", 9.7, 11)


PASTS = Pasts()
breach, good = PASTS.breach, PASTS.good


@breach("lost")
def acknowledged_and_not_there(past: Past) -> None:
    past.note(3, "called", 2, call="x", jobs=1, key=None)
    past.note(3, "acknowledged", 2, call="x", jobs=[99], new=[True])


@breach("not ended")
def still_pending(past: Past) -> None:
    past.job(4, "pending", 0)


@breach("attempts without an end")
def still_processing(past: Past) -> None:
    past.job(4, "processing", 1)
    past.run(4, 1, "b", 20, None)


@breach("held in the end")
def held_by_both_versions(past: Past) -> None:
    past.job(4, "pending", 0)
    past.change(4, held="payload")


@breach("doubled")
def one_call_two_jobs(past: Past) -> None:
    past.done(4, 1, "b", 20)
    past.done(5, 1, "b", 22)
    past.change(5, call="c4")


@breach("doubled")
def half_a_batch(past: Past) -> None:
    past.note(3, "called", 2, call="x", jobs=2, key=None)
    past.done(4, 1, "b", 20)
    past.change(4, call="x")


@breach("doubled")
def a_job_of_no_call(past: Past) -> None:
    past.done(4, 1, "b", 20)
    past.records = [record for record in past.records if record.facts.get("call") != "c4"]


@breach("doubled")
def one_key_two_jobs(past: Past) -> None:
    for number in (4, 5):
        past.done(number, 1, "b", 20 + 2 * number)
        past.change(number, key="k", call=f"k{number}")
        past.note(3, "called", 2, call=f"k{number}", jobs=1, key="k")


@breach("doubled")
def another_job_than_the_key_s(past: Past) -> None:
    past.note(3, "called", 2, call="x", jobs=1, key="k")
    past.note(4, "acknowledged", 2, call="x", jobs=[1], new=[False])


@breach("doubled")
def the_id_of_a_deleted_job_given_again(past: Past) -> None:
    past.note(15, "deleting", 2, job=4, call="c4")
    past.note(2, "called", 2, call="c4", jobs=1, key=None)
    past.note(3, "acknowledged", 2, call="c4", jobs=[4], new=[True])
    past.done(4, 1, "b", 20)
    past.change(4, call="x")
    for record in [record for record in past.records if record.facts.get("call") == "c4" and record.time in {1.5, 1.6}]:
        past.records.remove(record)
    past.note(16, "called", 2, call="x", jobs=1, key=None)
    past.note(17, "acknowledged", 2, call="x", jobs=[4], new=[True])


@breach("overlapping attempts")
def both_at_once(past: Past) -> None:
    past.job(4, "completed", 2, "b:2")
    past.run(4, 1, "a", 9, None)
    past.row(4, 1, "lost", "a", 10.5)
    past.run(4, 2, "b", 9.9, 12)  # process 1 was killed at 10


@breach("attempts begun twice")
def one_attempt_in_two_processes(past: Past) -> None:
    past.done(4, 1, "a", 5)
    past.run(4, 1, "b", 4, 5)


@breach("attempts begun twice")
def completed_by_one_that_had_lost_it(past: Past) -> None:
    past.change(2, result="a:1")


@breach("attempts begun twice")
def a_retry_without_a_record(past: Past) -> None:
    past.run(3, 1, "b", 3, 4)


@breach("attempts miscounted")
def a_lost_attempt_that_cost_nothing(past: Past) -> None:
    past.job(4, "completed", 1, "b:1")
    past.run(4, 1, "a", 9, None)
    past.row(4, 1, "lost", "a", 11)
    past.run(4, 1, "b", 12, 13)


@breach("attempts miscounted")
def a_number_left_out(past: Past) -> None:
    past.job(4, "completed", 3, "b:3")
    past.run(4, 1, "b", 12, 13)
    past.row(4, 1, "failed", "b", 13)
    past.run(4, 3, "b", 14, 15)


@breach("finished twice")
def two_ends(past: Past) -> None:
    past.note(14, "JobCompleted", 1, job_id=2)


@breach("finished twice")
def dead_after_all(past: Past) -> None:
    past.note(7, "JobCompleted", 2, job_id=3)


@breach("over the limit")
def four_at_once(past: Past) -> None:
    for number in range(4, 8):
        past.done(number, 1, "b", 20 + number / 10, kind="limited")


@breach("over the limit")
def three_at_once_long_after_the_version_with_the_larger_limit(past: Past) -> None:
    past.fork(3, "c", up=30, version="new")
    past.note(40, "killed", 0, worker=2)
    for number in range(4, 7):
        past.done(number, 1, "c", 60 + number / 10, kind="limited")


@breach("overlapping attempts")
def a_worker_process_that_outlives_its_runner(past: Past) -> None:
    past.job(4, "completed", 2, "b:2")
    past.run(4, 1, "a", 9, None)
    past.note(11.2, "going", 1, run="4.1.a.9")  # process 1 was killed at 10
    past.row(4, 1, "lost", "a", 11)
    past.run(4, 2, "b", 11.1, 12)


@breach("ticks doubled or missed")
def one_tick_two_jobs(past: Past) -> None:
    past.tick(4, 1_000_000)
    past.tick(5, 1_000_000)


@breach("ticks doubled or missed")
def a_tick_left_out(past: Past) -> None:
    past.tick(4, 1_000_000)
    past.tick(5, 3_000_000)


@breach("ticks doubled or missed")
def a_tick_left_out_of_a_schedule_made_at_run_time(past: Past) -> None:
    past.tick(4, 1_000_000, "chime")
    past.tick(5, 3_000_000, "chime")


@breach("ticks doubled or missed")
def a_last_tick_that_the_process_that_lived_did_not_fire(past: Past) -> None:
    past.ticks(range(1, 90))


@breach("ticks doubled or missed")
def a_tick_left_out_after_the_clock_was_set_back(past: Past) -> None:
    past.note(30, "stepped", 0, offset=-3600)
    past.ticks(range(1, 30))
    past.ticks([*range(-3570, -3550), *range(-3549, -3500)])


@breach("ticks doubled or missed")
def an_instant_of_neither_version_s_schedule(past: Past) -> None:
    past.tick(4, 7_000_000, "beat")


@breach("ticks doubled or missed")
def an_instant_of_one_version_s_schedule_left_out(past: Past) -> None:
    past.ticks(range(1, 100))
    past.ticks([second for second in range(1, 100) if second % 2 == 0 and second != 50], "beat")


@breach("taken from the living")
def lost_though_its_process_lived(past: Past) -> None:
    past.job(4, "completed", 2, "a:2")
    past.run(4, 1, "b", 5, 6)
    past.row(4, 1, "lost", "b", 7)
    past.run(4, 2, "a", 8, 9)


@breach("taken from the living")
def interrupted_by_none(past: Past) -> None:
    past.job(4, "completed", 1, "b:1")
    past.run(4, 1, "b", 5, 6)
    past.row(4, 1, "interrupted", "b", 6)
    past.run(4, 1, "b", 8, 9)


@breach("taken from the living")
def an_end_refused(past: Past) -> None:
    past.note(7, "EndRefused", 2, job_id=3)


@breach("rescued too late")
def given_back_after_four_seconds(past: Past) -> None:
    past.rows[0] = past.rows[0]._replace(ended_at=14.0)
    past.run(2, 2, "b", 15, 16)
    past.records = [
        record for record in past.records if (record.what, record.time) not in {("begun", 12), ("ended", 13)}
    ]
    past.records = [record for record in past.records if record.facts.get("job_id") != 2]


@breach("cancelled in vain")
def ran_after_its_cancel(past: Past) -> None:
    past.note(1.7, "cancelled", 2, job=1, status="cancelled")


@breach("cancelled in vain")
def ran_twice_after_it_was_asked_to_stop(past: Past) -> None:
    past.note(8, "cancelled", 2, job=2, status="processing")


@breach("cancelled in vain")
def ran_again_after_the_attempt_that_was_asked_to_stop(past: Past) -> None:
    past.note(9.5, "cancelled", 2, job=2, status="processing")


@breach("defects")
def said_so_itself(past: Past) -> None:
    past.note(7, "defect", 2, text="please report it")


@breach("defects")
def ended_by_itself(past: Past) -> None:
    past.note(0, "forked", 0, worker=3, ahead=0.0)
    past.note(7, "exited", 0, worker=3, code=1)


@breach("defects")
def did_not_end(past: Past) -> None:
    past.note(7, "hung", 0, worker=2)


@breach("defects")
def a_damaged_file(past: Past) -> None:
    past.unsound = "row 7 missing from index"


@breach("left behind")
def a_file_left_behind(past: Past) -> None:
    past.left = ("jobs.db-owner-a",)


@breach("left behind")
def a_log_left_behind(past: Past) -> None:
    past.log = 4096


@breach("left behind")
def a_log_that_is_long_while_no_program_reads(past: Past) -> None:
    past.note(50, "log", 0, size=33 << 20)


@breach("left behind")
def a_process_that_a_handler_started(past: Past) -> None:
    past.note(100, "alive", 0, pid=7, command="sleep 3600")


@breach("left behind")
def a_copy_of_the_application(past: Past) -> None:
    past.note(7, "astray", 2, noted="begun")


@breach("lanes left behind")
def found_by_the_library_in_itself(past: Past) -> None:
    past.note(7, "defect", 2, text="please report this line", fact="DefectFound")


@breach("failed by no handler")
def failed_in_the_library(past: Past) -> None:
    past.rows[1] = past.rows[1]._replace(error="TypeError: got multiple values")


@breach("failed by no handler")
def an_operation_that_gave_up_though_the_file_was_free(past: Past) -> None:
    gave_up(past, 26.0, "answers")


@breach("failed by no handler")
def a_handler_that_writes_nothing_and_found_the_file_locked(past: Past) -> None:
    gave_up(past, 22.0, "quick")


@breach("defects")
def an_end_at_an_instant_that_no_clock_showed(past: Past) -> None:
    past.rows[1] = past.rows[1]._replace(ended_at=math.nan)


@breach("defects")
def a_clock_that_was_set(past: Past) -> None:
    past.note(50, "forked", 0, worker=1, ahead=1.0)


@breach("late ends not refused")
def many_late_ends_and_none_refused(past: Past) -> None:
    past.note(9.5, "robbed", 0, worker=1)
    for number in range(4, 9):
        late_end(past, number)


BREACHES = PASTS.breaches + flow_pasts.PASTS.breaches + functions_pasts.PASTS.breaches + reactions_pasts.PASTS.breaches


@pytest.mark.parametrize(("name", "change"), BREACHES, ids=[change.__name__ for _, change in BREACHES])
def test_a_breach_is_found_by_its_check_and_by_no_other(name: str, change: Callable[[Past], object]) -> None:
    past = Past()
    change(past)
    assert past.broken() == {name}


def test_every_check_has_a_breach_that_it_finds() -> None:
    assert {name for name, _ in BREACHES} == CHECKS.keys()


# What is no breach.


@good
def nothing_special(past: Past) -> None:
    assert past.broken() == set()


@good
def an_enqueue_without_an_answer_that_is_there(past: Past) -> None:
    past.note(3, "called", 1, call="x", jobs=1, key=None)
    past.done(4, 1, "b", 20)
    past.change(4, call="x")
    past.records = [record for record in past.records if record.facts.get("call") != "c4"]


@good
def an_enqueue_without_an_answer_that_is_not(past: Past) -> None:
    past.note(3, "called", 1, call="x", jobs=5, key=None)


@good
def a_key_seen_before(past: Past) -> None:
    past.done(4, 1, "b", 20)
    past.records = [record for record in past.records if record.facts.get("call") != "c4"]
    past.change(4, call="x", key="k")
    for call, is_new in (("x", True), ("y", False)):
        past.note(3, "called", 2, call=call, jobs=1, key="k")
        past.note(4, "acknowledged", 2, call=call, jobs=[4], new=[is_new])


@good
def a_snooze_and_a_drain_that_give_the_number_back(past: Past) -> None:
    past.note(30, "terminated", 0, worker=2)
    past.job(4, "completed", 1, "b:1")
    for begun, outcome in ((20, "snoozed"), (31, "interrupted")):
        past.run(4, 1, "b", begun, begun + 1)
        past.row(4, 1, outcome, "b", begun + 1)
    past.run(4, 1, "b", 40, 41)


@good
def a_redrive_that_begins_anew(past: Past) -> None:
    past.note(15, "redriving", 1, job=3)
    past.run(3, 1, "b", 16, 17)
    past.row(3, 1, "failed", "b", 17)


@good
def a_rescue_while_no_other_could_write(past: Past) -> None:
    past.rows[0] = past.rows[0]._replace(ended_at=11.9)
    past.jobs[2] = past.jobs[2]._replace()
    past.note(4, "forked", 0, worker=3, ahead=0.0)
    past.note(11.8, "stopped", 0, worker=2, since=5.0, locks=True)
    past.note(11.8, "continued", 0, worker=2)
    past.note(99, "exited", 0, worker=3, code=0)


@good
def an_operation_that_gave_up_while_others_held_the_file(past: Past) -> None:
    gave_up(past, 22.0, "answers")


@good
def a_handler_that_could_not_enqueue_while_others_held_the_file(past: Past) -> None:
    gave_up(past, 22.0, "parent")


def gave_up(past: Past, at: float, kind: str) -> None:
    """A third process holds the lock from 17 to 21, and a handler of the second one finds the file locked."""
    past.note(4, "forked", 0, worker=3, ahead=0.0)
    past.note(17, "stopped", 0, worker=3, since=17.0, locks=True)
    past.note(21, "continued", 0, worker=3)
    past.note(99, "exited", 0, worker=3, code=0)
    past.job(4, "completed", 2, "b:2", kind)
    past.run(4, 1, "b", 15, at, kind)
    past.row(4, 1, "failed", "b", at)
    past.rows[-1] = past.rows[-1]._replace(error="StoreUnavailable: the database cannot be used now (SQLITE_BUSY: it)")
    past.run(4, 2, "b", at + 1, at + 2, kind)
    past.note(at + 2.1, "JobCompleted", 2, job_id=4)


@good
def a_stopped_process_that_goes_on_with_its_own(past: Past) -> None:
    past.note(20.5, "stopped", 0, worker=2, since=20.5, locks=False)
    past.note(29.5, "continued", 0, worker=2)
    past.job(4, "completed", 1, "b:1")
    past.run(4, 1, "b", 20, 30)


@good
def a_robbed_one_whose_end_is_refused(past: Past) -> None:
    past.note(9.5, "robbed", 0, worker=1)
    late_end(past, 4)
    past.note(9.96, "EndRefused", 1, job_id=4)


@good
def robbed_ones_one_of_whose_ends_is_refused(past: Past) -> None:
    """The others were killed before they had written theirs."""
    past.note(9.5, "robbed", 0, worker=1)
    for number in range(4, 9):
        late_end(past, number)
    past.note(9.96, "EndRefused", 1, job_id=4)


@good
def a_robbed_one_that_had_claimed_and_begins_when_it_goes_on(past: Past) -> None:
    past.note(4, "robbed", 0, worker=1)
    past.note(4, "stopped", 0, worker=1, since=4, locks=False)
    past.job(4, "completed", 2, "b:2")
    past.row(4, 1, "lost", "a", 5)
    past.run(4, 2, "b", 5, 6)
    past.note(6.1, "JobCompleted", 2, job_id=4)
    past.note(7, "continued", 0, worker=1)
    past.run(4, 1, "a", 7.1, 7.2)
    past.note(7.3, "EndRefused", 1, job_id=4)


@good
def a_job_that_was_deleted(past: Past) -> None:
    past.note(3, "called", 2, call="x", jobs=2, key=None)
    past.note(4, "acknowledged", 2, call="x", jobs=[4, 5], new=[True, True])
    past.done(4, 1, "b", 20)
    past.change(4, call="x")
    past.records = [record for record in past.records if record.facts.get("call") != "c4"]
    past.run(5, 1, "b", 22, 23)
    past.note(23.1, "JobCompleted", 2, job_id=5)
    past.note(30, "deleting", 1, job=5, call="x")


@good
def ticks_that_no_process_could_know_of_after_the_clock_was_set_back(past: Past) -> None:
    past.note(30, "stepped", 0, offset=-3600)
    past.note(40, "stopped", 0, worker=2, since=40, locks=False)
    past.note(50, "continued", 0, worker=2)
    past.ticks(range(1, 30))
    past.ticks([*range(-3570, -3561), *range(-3550, -3500)])


@good
def ticks_at_which_another_program_held_the_lock(past: Past) -> None:
    past.fork(3, "c", up=20, version=None)
    past.note(93, "locked", 3)
    past.note(99.9, "unlocked", 3)
    past.ticks([*range(1, 93)])


@good
def three_at_once_while_a_process_with_the_larger_limit_lives(past: Past) -> None:
    past.fork(3, "c", up=30, version="new")
    for number in range(4, 7):
        past.done(number, 1, "c", 60 + number / 10, kind="limited")


@good
def a_long_log_while_another_program_reads(past: Past) -> None:
    past.fork(3, "c", up=20, version=None)
    past.note(30, "reading", 3)
    past.note(40, "read", 3)
    past.note(49, "log", 0, size=33 << 20)


@good
def a_rescue_after_something_else_lay_in_place_of_the_file(past: Past) -> None:
    past.rows[0] = past.rows[0]._replace(ended_at=11.9)
    past.note(9.9, "planted", 0, worker=1)
    past.note(11.5, "restored", 0, worker=1)


@good
def a_worker_process_that_was_killed_at_its_timeout(past: Past) -> None:
    past.job(4, "completed", 2, "a:2")
    past.run(4, 1, "a", 3, None, "stuck_in_process")
    past.note(3.4, "going", 1, run="4.1.a.3")
    past.row(4, 1, "timed_out", "a", 3.5)
    past.run(4, 2, "a", 3.6, 4, "stuck_in_process")


@good
def a_cancel_that_came_too_late(past: Past) -> None:
    past.note(2.5, "cancelled", 2, job=1, status="processing")


@good
def an_attempt_that_was_stopped_before_its_handler_was_called_and_its_number_again_after_a_redrive(past: Past) -> None:
    past.job(4, "completed", 1, "a:1")
    past.row(4, 1, "cancelled", "a", 4)
    past.note(5, "redriving", 1, job=4)
    past.run(4, 1, "a", 6, 7)


GOOD = (
    PASTS.no_breaches
    + flow_pasts.PASTS.no_breaches
    + functions_pasts.PASTS.no_breaches
    + reactions_pasts.PASTS.no_breaches
)


@pytest.mark.parametrize("change", GOOD, ids=[change.__name__ for change in GOOD])
def test_what_is_allowed_is_no_breach(change: Callable[[Past], object]) -> None:
    past = Past()
    change(past)
    assert past.broken() == set()


def test_the_time_to_rescue_counts_while_one_process_lives_and_goes_on_and_can_write() -> None:
    life = Life(1, up=5.0, terminated=40.0)
    assert longest_chance(life, 0.0, 3.0, []) <= 0  # it was not up
    assert longest_chance(life, 0.0, 7.0, []) == 2.0
    assert longest_chance(life, 10.0, 30.0, [(12.0, 18.0), (17.0, 25.0)]) == 5.0
    assert longest_chance(life, 10.0, 30.0, [(0.0, 50.0)]) <= 0
    assert longest_chance(life, 38.0, 60.0, []) == 2.0  # asked to end
    life.stops.append((11.0, 28.0))
    assert longest_chance(life, 10.0, 30.0, []) == 2.0

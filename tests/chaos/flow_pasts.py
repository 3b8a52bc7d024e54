"""Runs of chaos as they may have been, with limits by key, batches and debounce: with a breach each, or without."""

from __future__ import annotations

from tests.chaos.evidence import BatchRow
from tests.chaos.past import Past, Pasts

PASTS = Pasts()
breach, good = PASTS.breach, PASTS.good


@breach("over the limit of a key")
def three_of_a_key_at_once(past: Past) -> None:
    for number in range(4, 7):
        past.done(number, 1, "b", 20 + number / 10, kind="keyed", key=1)


@breach("over the limit of a key")
def three_of_a_key_with_a_rate_at_once(past: Past) -> None:
    for number, begun in ((4, 20.0), (5, 20.1), (6, 20.95)):
        past.rated(number, begun, claimed=begun - 5)


@breach("over the rate of a key")
def four_starts_within_a_period(past: Past) -> None:
    """The handlers end before others begin, so that no limit is exceeded."""
    for number in range(4, 8):
        begun = 20 + number / 10
        past.rated(number, begun, claimed=begun - 0.01)
        past.end_at(number, begun + 0.05)


@breach("over the rate of a key")
def four_starts_within_a_period_long_after_a_step_of_the_clock(past: Past) -> None:
    past.note(20, "stepped", 0, offset=3600)
    past.note(19, "stopped", 0, worker=2, since=19, locks=False)
    past.note(23, "continued", 0, worker=2)
    for number in range(4, 8):
        begun = 27 + number / 10
        past.rated(number, begun, claimed=3600 + begun - 0.01)
        past.end_at(number, begun + 0.05)


@breach("waiting with a free key")
def a_job_of_a_free_key_that_no_process_starts(past: Past) -> None:
    past.note(64, "waits", 2, since=60, lane="keyed", job=4, attempts=0)


@breach("callbacks of batches")
def a_batch_that_is_not_complete(past: Past) -> None:
    past.batches.append(BatchRow(1, is_abandoned=False, outcome=None))


@breach("callbacks of batches")
def a_callback_twice(past: Past) -> None:
    past.batch(30)
    past.callback(7, 1, 40)


@breach("callbacks of batches")
def no_callback(past: Past) -> None:
    past.batches.append(BatchRow(1, is_abandoned=False, outcome="failed"))


@breach("callbacks of batches")
def a_callback_of_success_although_a_job_failed(past: Past) -> None:
    past.batch(30)
    past.batches[0] = past.batches[0]._replace(outcome="dead")


@breach("callbacks of batches")
def a_callback_of_a_batch_whose_block_failed(past: Past) -> None:
    past.batches.append(BatchRow(1, is_abandoned=True, outcome="succeeded"))
    past.callback(5, 1, 30)


@breach("callbacks of batches")
def a_callback_of_no_batch(past: Past) -> None:
    past.callback(5, 1, 30)


@breach("callbacks of batches")
def a_batch_that_is_abandoned_although_its_block_ended(past: Past) -> None:
    past.batches.append(BatchRow(1, is_abandoned=True, outcome="succeeded"))
    past.note(20, "closed", 2, batch=1)


@breach("callbacks of batches")
def a_callback_before_the_last_end(past: Past) -> None:
    past.batch(21.5)


@breach("debounced wrongly")
def a_debounced_job_with_earlier_arguments(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.enqueue("y", 20.2, job=4)
    past.debounced(4, "x", 21)


@breach("debounced wrongly")
def a_debounced_job_that_is_not_there(past: Past) -> None:
    past.enqueue("x", 20, job=4)


@breach("debounced wrongly")
def a_debounced_job_that_ran_with_other_arguments_than_it_has(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.enqueue("y", 20.2, job=4)
    past.debounced(4, "x", 21)
    past.change(4, latest="y")


@breach("debounced wrongly")
def a_debounced_job_that_began_too_early(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.debounced(4, "x", 20.2, put_off=500_000)


@breach("debounced wrongly")
def a_debounced_job_that_was_put_off_beyond_its_longest_wait(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.debounced(4, "x", 23, put_off=1_500_000)


@breach("out of order")
def the_next_of_an_ordered_key_before_a_retry(past: Past) -> None:
    past.job(4, "completed", 2, "b:2", "ordered")
    past.run(4, 1, "b", 20, 21, "ordered", key=1)
    past.row(4, 1, "failed", "b", 21)
    past.done(5, 1, "b", 22, kind="ordered", key=1)
    past.run(4, 2, "b", 24, 25, "ordered", key=1)


# What is no breach.


@good
def two_of_a_key_at_once_and_one_of_another(past: Past) -> None:
    for number, key in ((4, 1), (5, 1), (6, 2)):
        past.done(number, 1, "b", 60 + number / 10, kind="keyed", key=key)


@good
def starts_whose_handlers_begin_together_long_after_the_claims_of_some(past: Past) -> None:
    """The process of two was stopped between."""
    for number in range(4, 8):
        begun = 20 + number / 10
        past.rated(number, begun, claimed=begun - (0.01 if number < 6 else 1.5))
        past.end_at(number, begun + 0.05)


@good
def starts_within_a_period_around_a_step_of_the_clock(past: Past) -> None:
    past.note(20.55, "stepped", 0, offset=3600)
    for number in range(4, 8):
        begun = 20 + number / 10
        past.rated(number, begun, claimed=begun - 0.01 + 3600 * (begun > 20.55))
        past.end_at(number, begun + 0.05)


@good
def starts_within_a_period_while_a_process_goes_on_that_was_stopped_before_a_step_of_the_clock(past: Past) -> None:
    """What it was about to commit has an instant of before."""
    past.note(10.5, "stopped", 0, worker=2, since=10.5, locks=False)
    past.note(11.5, "stepped", 0, offset=3600)
    past.note(24, "continued", 0, worker=2)
    for number in range(4, 8):
        begun = 24 + number / 10
        past.rated(number, begun, claimed=3600 + begun - 0.01)
        past.end_at(number, begun + 0.05)


@good
def a_job_of_a_free_key_that_waits_while_every_process_is_stopped(past: Past) -> None:
    past.note(61, "stopped", 0, worker=2, since=61, locks=False)
    past.note(69, "continued", 0, worker=2)
    past.note(70, "waits", 2, since=60, lane="keyed", job=4, attempts=0)


@good
def a_job_of_a_free_key_that_waits_after_a_step_of_the_clock(past: Past) -> None:
    past.note(60, "stepped", 0, offset=-3600)
    past.note(67, "waits", 2, since=60, lane="keyed", job=4, attempts=0)


@good
def a_batch_and_its_callbacks(past: Past) -> None:
    past.batch(22.5)


@good
def a_batch_whose_block_failed(past: Past) -> None:
    past.batches.append(BatchRow(1, is_abandoned=True, outcome="dead"))


@good
def a_batch_a_job_of_which_was_redriven_after_it_was_complete(past: Past) -> None:
    past.batch(24)
    past.note(25, "redriving", 2, job=4)
    past.row(4, 1, "failed", "b", 22)
    past.run(4, 1, "b", 26, 27)


@good
def debounced_enqueues_at_the_same_time(past: Past) -> None:
    past.enqueue("x", 20, job=4, acknowledged=0.3)
    past.enqueue("y", 20.1, job=4, acknowledged=0.1)
    past.debounced(4, "y", 20.8, put_off=500_000)


@good
def debounced_enqueues_the_latest_of_which_was_not_acknowledged(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.note(20.2, "debouncing", 2, call="y", key=1)
    past.debounced(4, "y", 20.8, put_off=500_000)


@good
def a_debounced_job_that_could_not_be_put_off_for_longer(past: Past) -> None:
    past.enqueue("x", 20, job=4)
    past.debounced(4, "x", 20.1, put_off=1_000_000)


@good
def an_ordered_job_that_was_redriven_after_the_next_one(past: Past) -> None:
    past.job(4, "completed", 1, "b:1", "ordered")
    past.row(4, 1, "cancelled", "b", 18)
    past.done(5, 1, "b", 20, kind="ordered", key=1)
    past.note(22, "redriving", 2, job=4)
    past.run(4, 1, "b", 23, 24, "ordered", key=1)

"""Runs of chaos as they may have been, with jobs of deaths and of operations, and cancels by events; as in
`functions_pasts.py`.
"""

from __future__ import annotations

from tests.chaos.functions import GONE
from tests.chaos.functions_pasts import child, event, function, got, stored
from tests.chaos.past import Past, Pasts

PASTS = Pasts()
breach, good = PASTS.breach, PASTS.good


def dead(past: Past) -> None:
    """A function that must die, and did."""
    past.job(4, "dead", 1, None, "falls")
    past.run(4, 1, "b", 20, 21, "falls")
    past.row(4, 1, "failed", "b", 21)


def mourner(past: Past, number: int, of: int = 4) -> None:
    """A job that the death of another one has started."""
    past.done(number, 1, "b", 20 + number, "reacts")
    past.made_otherwise(number, dead=of)


def marked(past: Past, *begun: float, status: str = "completed", reason: str | None = None) -> None:
    """A function with a mark, and its attempts."""
    function(past, *begun)
    past.change(4, type="stays", mark=7, status=status, reason=reason)
    if status == "cancelled":
        past.change(4, snoozes=len(begun), result=None)


def gone(past: Past, at: float) -> None:
    """The event that cancels it."""
    event(past, "e", at, GONE, mark=7)


@breach("reactions to deaths")
def a_death_that_has_started_nothing(past: Past) -> None:
    dead(past)


@breach("reactions to deaths")
def a_death_that_has_started_two_jobs(past: Past) -> None:
    dead(past)
    mourner(past, 5)
    mourner(past, 6)


@breach("reactions to deaths")
def a_job_of_a_death_that_was_none(past: Past) -> None:
    mourner(past, 5, of=1)


@breach("enqueued by operations")
def an_operation_that_has_enqueued_nothing(past: Past) -> None:
    function(past, 20)
    stored(past, {"id": 5, "is_new": True})


@breach("enqueued by operations")
def an_operation_that_was_given_another_job(past: Past) -> None:
    function(past, 20)
    stored(past, {"id": 6, "is_new": True})
    child(past, 5)


@breach("results that differ")
def a_job_that_differs_from_what_is_stored(past: Past) -> None:
    function(past, 20)
    got(past, "6", 20.2, "4.1.b.20")
    stored(past, {"id": 5, "is_new": True})
    child(past, 5)


@breach("cancelled by events")
def a_function_that_goes_on_after_its_event(past: Past) -> None:
    marked(past, 20, 24, 26)
    gone(past, 22)


@breach("cancelled by events")
def a_function_that_was_cancelled_by_no_event(past: Past) -> None:
    marked(past, 20, status="cancelled", reason=f"event {GONE}")


# What is no breach.


@good
def a_death_and_its_job(past: Past) -> None:
    dead(past)
    mourner(past, 5)


@good
def two_deaths_of_a_job_that_was_redriven_and_two_jobs(past: Past) -> None:
    dead(past)
    past.note(22, "redriving", 2, job=4)
    past.run(4, 1, "b", 23, 24, "falls")
    past.row(4, 1, "failed", "b", 24)
    mourner(past, 5)
    mourner(past, 6)


@good
def an_operation_and_its_job(past: Past) -> None:
    function(past, 20)
    got(past, "5", 20.2, "4.1.b.20")
    stored(past, {"id": 5, "is_new": True})
    child(past, 5)


@good
def an_event_that_cancels_a_suspended_function(past: Past) -> None:
    marked(past, 20, status="cancelled", reason=f"event {GONE}")
    gone(past, 22)


@good
def an_event_that_comes_before_the_first_line_of_an_attempt_that_was_claimed(past: Past) -> None:
    marked(past, 20, 22.5)
    gone(past, 22)

"""`unique=` on a job type, in a group, on one enqueue: what becomes of a new job, and what cannot be together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, Jobs, job
from aiojobs_lite.flow import Debounce, Throttle, Unique
from aiojobs_lite.model.admission import Candidate

NOW = 1_700_000_000_000_000


def plain(number: int, text: str = "a") -> None: ...


def candidate(job_type: Any, *args: Any) -> Candidate:
    """The candidate of an enqueue."""
    found: Candidate = job_type.how.candidate(job_type.row(NOW, args, {}))
    return found


@pytest.mark.parametrize(
    "declared",
    [
        job(unique=Unique("number"))(plain),
        Jobs().job(unique=Unique("number"))(plain),
        job(plain).using(unique=Unique("number")),
        job(unique=Unique("text", scope="1h"))(plain).using(unique=Unique("number"), label="x"),
        job(unique=Unique("number"))(plain).using(delay=5).using(priority="low", unique=None),
    ],
)
def test_a_job_has_a_unique_key_wherever_it_was_declared(declared: Any) -> None:
    assert declared.how.has_conditions
    found = candidate(declared, 1)
    assert (found.row.unique_key, found.row.unique_scope, found.on_conflict) == ("[1]", "unfinished", "return")
    assert (found.window_key, found.max_wait) == (None, None)


def test_a_duration_is_a_window() -> None:
    found = candidate(job(unique=Unique("number", "text", scope="1h", on_conflict="raise"))(plain), 1)
    assert (found.row.unique_key, found.row.unique_scope) == (None, None)
    assert (found.window_key, found.window, found.on_conflict) == ('[1,"a"]', 3_600_000_000, "raise")


def test_a_job_without_such_options_has_no_conditions() -> None:
    assert not job(plain).how.has_conditions
    assert not job(plain).using(label="x", delay=5).how.has_conditions
    once = job(plain).using(idempotency_key="k")
    assert once.how.has_conditions
    assert candidate(once, 1) == Candidate(once.row(NOW, (1,), {}))


@pytest.mark.parametrize("given", ["number", True, Unique, ("number",)])
def test_something_else_is_refused_at_the_declaration(given: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected a Unique, such as Unique\(\"user_id\"\)"):
        job(unique=given)(plain)
    with pytest.raises(InvalidOption, match="expected a Unique"):
        job(plain).using(unique=given)


def test_an_unknown_field_is_refused_at_the_declaration_and_in_using() -> None:
    with pytest.raises(InvalidOption, match="a field of the payload of 'plain' for unique=, which takes 'number'"):
        job(unique=Unique("user_id"))(plain)
    with pytest.raises(InvalidOption, match="a field of the payload of 'plain' for unique=, which takes 'number'"):
        job(plain).using(unique=Unique("user_id"))


def test_what_replaces_arguments_goes_with_no_idempotency_key() -> None:
    replaces = job(unique=Unique("number", on_conflict="replace"))(plain)
    problem = "none together with unique=, which gives a job other arguments: a repeated call would find those"
    with pytest.raises(InvalidOption, match=problem) as caught:
        replaces.using(idempotency_key="k")
    assert caught.value.option == "idempotency_key"
    with pytest.raises(InvalidOption, match=problem):
        job(plain).using(idempotency_key="k", unique=Unique("number", on_conflict="replace"))


def test_an_expiry_is_on_each_candidate() -> None:
    expiring = job(expires="1h")(plain)
    assert candidate(expiring, 1) == Candidate(expiring.row(NOW, (1,), {}), expires=3_600_000_000)
    both = job(plain).using(unique=Unique("number"), delay=5, expires=1.5).using(expires=None)
    assert (candidate(both, 1).row.unique_key, candidate(both, 1).expires) == ("[1]", 1_500_000)
    assert repr(job(plain).using(expires="1m")) == "<JobType 'plain' with expires='1m'>"


@pytest.mark.parametrize("value", [0, -1, "soon", True, float("nan"), datetime(2030, 1, 1, tzinfo=UTC)])
def test_an_expiry_that_is_no_duration_is_refused_at_the_declaration(value: Any) -> None:
    with pytest.raises(InvalidOption, match="expires="):
        job(expires=value)(plain)
    with pytest.raises(InvalidOption, match="expires="):
        job(plain).using(expires=value)


def test_a_cron_handler_takes_no_expiry() -> None:
    with pytest.raises(InvalidOption, match="no value on a cron handler: use catch_up= for ticks that are late"):
        Jobs().cron("* * * * *", expires="1h")(tick)


def test_a_cron_handler_takes_none() -> None:
    with pytest.raises(InvalidOption, match="no value on a cron handler: use overlap="):
        Jobs().cron("* * * * *", unique=Unique())(tick)


async def tick() -> None: ...


def test_what_is_set_is_shown() -> None:
    shown = repr(job(plain).using(unique=Unique("number")))
    assert shown == "<JobType 'plain' with unique=Unique('number', scope='unfinished', on_conflict='return')>"


def test_a_debounced_job_is_due_after_its_period_and_replaces_the_one_before() -> None:
    found = candidate(job(debounce=Debounce("5s", max_wait="1m", key="number"))(plain), 1)
    assert (found.row.unique_key, found.row.unique_scope, found.row.scheduled_at) == ("[1]", "pending", NOW + 5_000_000)
    assert (found.on_conflict, found.max_wait) == ("replace", 60_000_000)
    assert candidate(job(plain).using(debounce=Debounce(1)), 1).row.unique_key == "[]"
    assert candidate(job(plain).using(debounce=Debounce(1)), 1).max_wait is None


def test_a_throttled_job_has_its_key_for_a_period() -> None:
    found = candidate(job(throttle=Throttle("1m", key="text"))(plain), 1, "x")
    assert found == Candidate(found.row, "return", None, '["x"]', 60_000_000)
    assert found.row.unique_key is None


RULES: dict[str, Any] = {"unique": Unique(), "debounce": Debounce(1), "throttle": Throttle(1)}


@pytest.mark.parametrize(("first", "second"), [(a, b) for a in RULES for b in RULES if a != b])
def test_only_one_option_says_what_becomes_of_a_key(first: str, second: str) -> None:
    problem = "=: both say what becomes of one key"
    with pytest.raises(InvalidOption, match=problem):
        job(**{first: RULES[first], second: RULES[second]})(plain)
    with pytest.raises(InvalidOption, match=f"none together with {first}{problem}") as caught:
        job(**{first: RULES[first]})(plain).using(**{second: RULES[second]})
    assert caught.value.option == second


def test_what_says_when_a_job_is_due_goes_with_no_other_time() -> None:
    debounced = job(debounce=Debounce(1))(plain)
    with pytest.raises(InvalidOption, match="none together with debounce=, which says when the job is due"):
        debounced.using(delay=5)
    with pytest.raises(InvalidOption, match="none together with debounce=, which says when the job is due"):
        debounced.using(at=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidOption, match="a repeated call would find those"):
        debounced.using(idempotency_key="k")
    assert job(throttle=Throttle(1))(plain).using(delay=5, idempotency_key="k").how.has_conditions


def test_another_value_of_these_options_is_refused() -> None:
    with pytest.raises(
        InvalidOption, match=r'expected a Debounce, such as Debounce\("5s", max_wait="1m", key="user_id"\)'
    ):
        job(debounce="5s")(plain)  # type: ignore[call-overload]  # what is tested
    with pytest.raises(InvalidOption, match=r'expected a Throttle, such as Throttle\("1m", key="user_id"\)'):
        job(throttle=60)(plain)  # type: ignore[call-overload]  # what is tested


def test_a_bound_of_pending_jobs_is_on_each_candidate() -> None:
    bounded = job(max_pending=3)(plain)
    assert candidate(bounded, 1) == Candidate(bounded.row(NOW, (1,), {}), max_pending=3)
    assert bounded.how.flow is not None
    assert bounded.how.flow.on_full == "raise"
    both = job(max_pending=3, unique=Unique("number"), on_full="wait")(plain).using(max_pending=5, on_full=None)
    assert (candidate(both, 1).row.unique_key, candidate(both, 1).max_pending) == ("[1]", 5)
    assert repr(job(plain).using(max_pending=5)) == "<JobType 'plain' with max_pending=5, on_full='raise'>"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_pending": 0}, "max_pending=0: expected a whole number from 1 to 1,000,000,000"),
        ({"max_pending": True}, "max_pending=True: expected a whole number"),
        ({"max_pending": 5, "on_full": "drop"}, "on_full='drop': expected 'raise' or 'wait'"),
        ({"on_full": "wait"}, "on_full='wait': expected max_pending= as well: without it a type is never full"),
    ],
)
def test_a_bound_that_cannot_work_is_refused(options: Any, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        job(**options)(plain)
    with pytest.raises(InvalidOption, match=problem):
        job(plain).using(**options)

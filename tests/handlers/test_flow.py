"""`unique=` on a job type, in a group, on one enqueue: what becomes of a new job, and what cannot be together."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption, Jobs, job
from aiojobs_lite.flow import Unique
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
    assert (found.window_key, found.until, found.on_conflict) == ('[1,"a"]', NOW + 3_600_000_000, "raise")


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
    with pytest.raises(InvalidOption, match="fields of the payload of 'plain': number, text"):
        job(unique=Unique("user_id"))(plain)
    with pytest.raises(InvalidOption, match="fields of the payload of 'plain': number, text"):
        job(plain).using(unique=Unique("user_id"))


def test_what_replaces_arguments_goes_with_no_idempotency_key() -> None:
    replaces = job(unique=Unique("number", on_conflict="replace"))(plain)
    with pytest.raises(InvalidOption, match="a repeated call would find others") as caught:
        replaces.using(idempotency_key="k")
    assert caught.value.option == "idempotency_key"
    with pytest.raises(InvalidOption, match="none together with an option that replaces the arguments of a job: a re"):
        job(plain).using(idempotency_key="k", unique=Unique("number", on_conflict="replace"))


def test_a_cron_handler_takes_none() -> None:
    with pytest.raises(InvalidOption, match="none on a cron handler: overlap= is for it"):
        Jobs().cron("* * * * *", unique=Unique())(tick)


async def tick() -> None: ...


def test_what_is_set_is_shown() -> None:
    shown = repr(job(plain).using(unique=Unique("number")))
    assert shown == "<JobType 'plain' with unique=Unique('number', scope='unfinished', on_conflict='return')>"

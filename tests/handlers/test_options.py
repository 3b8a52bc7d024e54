"""The options of one enqueue, and the row that a job becomes by them."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidOption, JobDead
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.options import Enqueueing, EnqueueOptions
from aiojobs_lite.model.job import NewJob

NOW = 1_700_000_000_000_000
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def plain(number: int, text: str = "a") -> None: ...


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, NewJob("plain", '{"number":1}', 1, NOW, 5, NOW, None)),
        ({"delay": "5m"}, NewJob("plain", '{"number":1}', 1, NOW + 300_000_000, 5, NOW, None)),
        ({"delay": 0}, NewJob("plain", '{"number":1}', 1, NOW, 5, NOW, None)),
        ({"at": LATER}, NewJob("plain", '{"number":1}', 1, to_micros(LATER), 5, NOW, None)),
        ({"priority": "high"}, NewJob("plain", '{"number":1}', 0, NOW, 5, NOW, None)),
        ({"priority": "low"}, NewJob("plain", '{"number":1}', 2, NOW, 5, NOW, None)),
        ({"max_attempts": 9}, NewJob("plain", '{"number":1}', 1, NOW, 9, NOW, None)),
        ({"idempotency_key": "k" * 500}, NewJob("plain", '{"number":1}', 1, NOW, 5, NOW, "k" * 500)),
    ],
)
def test_the_row_of_a_job_has_the_options_of_its_enqueue(options: dict[str, Any], expected: NewJob) -> None:
    assert job(plain).using(**options).bind(1).row(NOW) == expected


def test_the_row_of_a_job_has_the_defaults_of_its_type() -> None:
    row = job(max_attempts=2, priority="low", name="t")(plain).bind(number=1, text="b").row(NOW)
    assert row == NewJob("t", '{"number":1,"text":"b"}', 2, NOW, 2, NOW, None, None, None)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ({"delay": 5}, {"priority": "high"}, Enqueueing(5.0, None, 0, ())),
        ({"priority": "high"}, {}, Enqueueing(None, None, 0, ())),
        ({"priority": "high"}, {"priority": "low"}, Enqueueing(None, None, 2, ())),
        ({"priority": "low"}, {"priority": "high"}, Enqueueing(None, None, 0, ())),
        ({"delay": 5}, {"delay": 0}, Enqueueing(0.0, None, None, ())),
        ({"at": LATER}, {"idempotency_key": "k"}, Enqueueing(None, LATER, None, (("idempotency_key", "k"),))),
        ({"idempotency_key": "a"}, {"idempotency_key": "b"}, Enqueueing(None, None, None, (("idempotency_key", "b"),))),
        ({"at": LATER}, {"delay": 5}, Enqueueing(5.0, None, None, ())),
        ({"delay": 5}, {"at": LATER}, Enqueueing(None, LATER, None, ())),
    ],
)
def test_options_add_up_and_the_latest_counts(first: Any, then: Any, expected: Enqueueing) -> None:
    job_type = job(plain)
    configured = job_type.using(**first)
    assert configured.using(**then).how == expected
    assert configured.using(**then).job_type is job_type
    assert configured.how == job_type.using(**first).how  # unchanged by what was made of it
    assert job_type.how == Enqueueing()


async def test_the_attempts_of_one_job_are_its_own() -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=9, backoff=Backoff(base=0.001, cap=0.001))
    async def fails() -> None:
        raise ValueError

    async with runner:
        for given, attempts in ((fails.using(max_attempts=2), 2), (fails.using(max_attempts=1, label="a"), 1)):
            handle = await runner.enqueue(given)
            with pytest.raises(JobDead):
                await handle.result("5s")
            dead = await handle.job()
            assert (dead.attempts, dead.max_attempts) == (attempts, attempts)
    assert repr(fails.using(max_attempts=2)) == "<JobType 'fails' with max_attempts=2>"


NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001  # the point
BEYOND = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))


@pytest.mark.parametrize(
    ("options", "option", "expected"),
    [
        ({"delay": -1}, "delay", "from 0s to a century"),
        ({"delay": "soon"}, "delay", "seconds, a timedelta"),
        ({"delay": 1, "at": LATER}, "at", "either delay= or at=, not both"),
        ({"at": NAIVE}, "at", "an aware datetime, such as datetime.now(UTC)"),
        ({"at": "5m"}, "at", "an aware datetime, such as datetime.now(UTC); a duration is given as delay=."),
        ({"at": BEYOND}, "at", "an aware datetime, such as datetime.now(UTC)"),
        ({"at": datetime.min.replace(tzinfo=timezone.max)}, "at", "an aware datetime, such as datetime.now(UTC)"),
        ({"priority": "urgent"}, "priority", "'high' or 'medium' or 'low'"),
        ({"max_attempts": 0}, "max_attempts", "a whole number from 1 to 1,000,000"),
        ({"max_attempts": True}, "max_attempts", "a whole number from 1 to 1,000,000"),
        ({"idempotency_key": ""}, "idempotency_key", "1 to 500 printable characters"),
        ({"idempotency_key": "k" * 501}, "idempotency_key", "1 to 500 printable characters"),
        ({"idempotency_key": "a\x00"}, "idempotency_key", "1 to 500 printable characters"),
        ({"idempotency_key": 3}, "idempotency_key", "text of 1 to 500 printable characters, such as '3'"),
    ],
)
def test_an_enqueue_option_that_cannot_work_is_refused_by_name(options: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        job(plain).using(**options)
    assert caught.value.option == option
    assert expected in str(caught.value)


def test_what_was_refused_is_shown_in_few_words() -> None:
    with pytest.raises(InvalidOption) as caught:
        job(plain).using(idempotency_key="k" * 100_000)
    assert len(str(caught.value)) < 300


def test_an_option_that_does_not_exist_is_refused_with_those_that_do() -> None:
    wanted = "after, after_failed, at, batch, debounce, delay, expires, idempotency_key, label, limits, max_attempts, "
    wanted += "max_pending, metadata, on_full, priority, throttle, unique"
    with pytest.raises(InvalidOption, match=rf"^strange='high': expected one of {wanted}\.$"):
        job(plain).using(strange="high")  # type: ignore[call-arg]  # what is tested


def test_every_option_is_documented_and_none_is_the_same_as_leaving_it_out() -> None:
    for name in EnqueueOptions.__optional_keys__:
        assert f"\n    {name}: " in (inspect.getdoc(EnqueueOptions) or "")  # from Python 3.13 on less is indented
        assert job(plain).using(**{name: None}).how == Enqueueing()

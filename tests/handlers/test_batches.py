"""What a batch may enqueue when it is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, job
from aiojobs_lite.flow import Batch, Debounce, Throttle, Unique
from aiojobs_lite.handlers.batches import callback_row, check_callback
from aiojobs_lite.limits import Limit

NOW = 1_700_000_000_000_000


@job
async def report(batch_id: int, title: str = "all") -> None: ...


@job
async def mail(to: str, subject: str) -> None: ...


@job(unique=Unique())
async def rebuild(batch_id: int) -> None: ...


@job(batch=Batch(10, max_wait="1m"))
async def gather(numbers: list[int]) -> None: ...


@job(limits=[Limit(1, key="title")])
async def limited(batch_id: int, title: str = "all") -> None: ...


def test_a_job_type_is_given_the_id_of_the_batch_and_a_bound_job_keeps_its_arguments() -> None:
    of_type = callback_row(report.using(priority="high", delay="1m"), 7, NOW)
    assert (of_type.type, of_type.payload, of_type.priority) == ("report", '{"batch_id":7}', 0)
    assert (of_type.created_at, of_type.scheduled_at) == (NOW, NOW + 60_000_000)
    bound = callback_row(mail.bind("a@b.c", subject="done"), 7, NOW)
    assert (bound.type, bound.payload) == ("mail", '{"to":"a@b.c","subject":"done"}')


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("report", "a job type that takes the id of a batch"),
        (lambda batch_id: None, "made by job_type.bind"),
        (mail, "and nothing else: "),
        (report.using(at=datetime(2030, 1, 1, tzinfo=UTC)), "without at=: the end of the batch says when it is due"),
        (
            mail.using(at=datetime(2030, 1, 1, tzinfo=UTC)).bind("a", "b"),
            "without at=: the end of the batch says when it is due",
        ),
        (
            report.using(limits=[Limit(1, key="title")]),
            r"without limits=: a batch does not keep them; those of its type hold, @job\(limits=\.\.\.\)",
        ),
        (report.using(expires="1m"), "without expires=: no callback of a batch is lost"),
        (report.using(idempotency_key="once"), "without idempotency_key=: a batch enqueues each of its callbacks"),
        (report.using(max_pending=1), "without max_pending=: a batch enqueues each of its callbacks exactly once"),
        (report.using(throttle=Throttle("1m")), "without throttle=: a batch enqueues each of its callbacks"),
        (report.using(debounce=Debounce("1m")), "without debounce=: a batch enqueues each of its callbacks"),
        (rebuild, "without unique=: a batch enqueues each of its callbacks exactly once, whatever other jobs there"),
        (gather.bind([1]), "without batch=: a batch enqueues each of its callbacks exactly once"),
    ],
)
def test_what_cannot_be_enqueued_so_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem) as caught:
        check_callback("on_success", value)
    assert caught.value.option == "on_success"


def test_the_limits_of_its_type_hold_and_a_callback_may_be_without_them() -> None:
    of_type = callback_row(check_callback("on_complete", limited), 7, NOW)
    assert of_type.lane == limited.row(NOW, (7,), {}).lane is not None
    assert callback_row(check_callback("on_complete", limited.using(limits=[])), 7, NOW).lane is None

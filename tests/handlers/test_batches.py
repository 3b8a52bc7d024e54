"""What a batch may enqueue when it is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, job
from aiojobs_lite.handlers.batches import callback_row, check_callback

NOW = 1_700_000_000_000_000


@job
async def report(batch_id: int, title: str = "all") -> None: ...


@job
async def mail(to: str, subject: str) -> None: ...


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
    ],
)
def test_what_cannot_be_enqueued_so_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem) as caught:
        check_callback("on_success", value)
    assert caught.value.option == "on_success"

"""What a batch enqueues when it is complete: a job type that takes the id of the batch, or a bound job."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.model.job import NewJob

CallbackJob = Enqueueable[..., Any] | BoundJob[Any]
"""A job type, with options or without, that is enqueued with the id of a batch; or a job with arguments of its own."""


def check_callback(option: str, value: object) -> CallbackJob:
    """A job type that can be enqueued with the id of a batch, or a bound job.

    Raises:
        InvalidOption: If it is neither, or has a time of its own (`at=`).
    """
    expected = "a job type that takes the id of a batch, or a job made by job_type.bind(...)"
    if not isinstance(value, Enqueueable | BoundJob):
        raise InvalidOption(option, value, expected)
    if value.how.at is not None:
        raise InvalidOption(option, value, f"{expected}, without at=: the end of the batch says when it is due")
    if value.how.after is not None:
        raise InvalidOption(option, value, f"{expected}, without after=: it runs after the whole batch")
    if isinstance(value, Enqueueable):
        try:
            value.bind(1)
        except InvalidPayload as error:
            raise InvalidOption(option, value, f"{expected} and nothing else: {error.summary}") from None
    return value


def callback_row(callback: CallbackJob, batch_id: int, now: int) -> NewJob:
    """The row of a callback of a batch, as if it were enqueued at an instant (microseconds)."""
    return callback.row(now) if isinstance(callback, BoundJob) else callback.row(now, (batch_id,), {})

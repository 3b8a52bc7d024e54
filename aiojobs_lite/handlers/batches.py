"""What a batch enqueues when it is complete: a job type that takes the id of the batch, or a bound job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiojobs_lite.errors import BatchNotFound, InvalidOption, InvalidPayload
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.options import TakesId
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.batches import BatchEvent
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import NewJob

_EVENTS: Final[tuple[BatchEvent, ...]] = ("complete", "success", "dead")
_ONCE: Final = "a batch enqueues each of its callbacks exactly once, whatever other jobs there are"
_REFUSED: Final[Mapping[str, str]] = {
    "at": "the end of the batch says when it is due",
    "after": "it runs after the whole batch",
    **dict.fromkeys(("unique", "debounce", "throttle", "batch", "max_pending", "idempotency_key"), _ONCE),
    "expires": "no callback of a batch is lost",
    "limits": "a batch does not keep them; those of its type hold, @job(limits=...)",
}
"""The options that a callback cannot have, whether its type is declared with them or not, and why."""

CallbackJob = Enqueueable[..., Any] | BoundJob[Any]
"""A job type, with options or without, that is enqueued with the id of a batch; or a job with arguments of its own."""

GivenCallback = TakesId | BoundJob[Any]
"""The same as callers give it, for type checkers: it takes one whole number."""


def check_callback(option: str, value: object) -> CallbackJob:
    """A job type that can be enqueued with the id of a batch, or a bound job.

    Raises:
        InvalidOption: If it is neither, or has an option that a batch cannot do as it says.
    """
    expected = "a job type that takes the id of a batch, or a job made by job_type.bind(...)"
    if not isinstance(value, Enqueueable | BoundJob):
        raise InvalidOption(option, value, expected)
    for name, given in value.how.given().items():
        if name in _REFUSED and given != []:  # no limits, and no jobs before it
            raise InvalidOption(option, value, f"{expected}, without {name}=: {_REFUSED[name]}")
    if isinstance(value, Enqueueable):
        try:
            value.bind(1)
        except InvalidPayload as error:
            raise InvalidOption(option, value, f"{expected} and nothing else: {error.summary}") from None
    return value


def check_callbacks(
    registry: Registry, complete: GivenCallback | None, success: GivenCallback | None, dead: GivenCallback | None
) -> list[tuple[BatchEvent, CallbackJob]]:
    """The callbacks of a batch that are given, each with its event.

    Raises:
        InvalidOption: If one cannot be enqueued so.
        UnknownJobType: If its type is not registered.
    """
    checked: list[tuple[BatchEvent, CallbackJob]] = []
    for event, value in zip(_EVENTS, (complete, success, dead), strict=True):
        if value is not None:
            job = check_callback(f"on_{event}", value)
            registry.check(job)
            checked.append((event, job))
    return checked


def check_batch_id(batch_id: object) -> int:
    """Checks that a value is the id of a batch; raises `BatchNotFound` for one that no batch can have."""
    if isinstance(batch_id, bool) or not isinstance(batch_id, int):
        raise InvalidOption("batch_id", batch_id, "the id of a batch, a whole number")
    if abs(batch_id) > LARGEST_INTEGER:
        raise BatchNotFound(batch_id)
    return batch_id


def callback_row(callback: CallbackJob, batch_id: int, now: int) -> NewJob:
    """The row of a callback of a batch, as if it were enqueued at an instant (microseconds)."""
    return callback.row(now) if isinstance(callback, BoundJob) else callback.row(now, (batch_id,), {})

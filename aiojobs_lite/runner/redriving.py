"""The row of a job that takes the place of one that is dead or cancelled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypedDict, cast

from pydantic_core import PydanticSerializationError, to_jsonable_python

from aiojobs_lite.clock import to_micros
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.options import AS_DECLARED, EnqueueOptions
from aiojobs_lite.limits import Declared, Limit, Rate
from aiojobs_lite.model.job import PRIORITIES, Job, NewJob, Priority
from aiojobs_lite.model.limits import lane_at, with_keys_of
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.unique import UniqueScope

_UNCHANGED: Final = "The job stays as it is: fix the call."
_OF_ENQUEUE: Final = ("delay", "at", "priority", "max_attempts", "label", "metadata", "limits")


class RedriveOptions(TypedDict, total=False):
    """What a job that is redriven as a new one has otherwise.

    Attributes:
        arguments: Arguments of the handler by name, in place of those of the same names.
        delay: How long from now until it may run.
        at: The earliest time of that, an aware datetime; not together with `delay`.
        priority: `high`, `medium` or `low`.
        max_attempts: All attempts that it may have.
        label: For people and for lists.
        metadata: A small object, in place of the old one.
        limits: Its limits by key, in place of those that it had.
    """

    arguments: Mapping[str, Any] | None
    delay: Duration | None
    at: datetime | None
    priority: Priority | None
    max_attempts: int | None
    label: str | None
    metadata: Mapping[str, Any] | None
    limits: Sequence[Limit | Rate | Declared] | None


def check_changes(changes: RedriveOptions) -> None:
    """Checks what can be checked without the job.

    Raises:
        InvalidOption: If there is no such option, or the arguments are no dict.
    """
    refuse_unknown(changes, RedriveOptions.__optional_keys__)
    arguments = changes.get("arguments")
    if arguments is not None and not (
        isinstance(arguments, Mapping) and all(isinstance(name, str) for name in arguments)
    ):
        raise InvalidOption("arguments", arguments, "a dict of arguments by name")


def row_again(job: Job, now: int, job_type: JobType[..., Any] | None, changes: RedriveOptions) -> NewJob:
    """The row of the new job.

    Args:
        job: The old one, as it was read.
        now: The present instant.
        job_type: Its type; only needed for changes.
        changes: What is otherwise.

    Raises:
        InvalidOption: If an option cannot work.
        InvalidPayload: If the arguments do not fit the handler.
        PayloadTooLarge: If they are larger than the type allows.
    """
    is_unfinished = job.unique_scope is UniqueScope.UNFINISHED
    row = NewJob(
        job.type, stored_payload(job.payload_json), PRIORITIES[job.priority], now, job.max_attempts, now,
        job.idempotency_key, job.schedule, None if job.tick is None else to_micros(job.tick), job.label,
        job.metadata_json, job.unique_key if is_unfinished else None, job.unique_scope if is_unfinished else None,
        job.lane,
    )  # fmt: skip
    return row if job_type is None else _changed(row, job_type, job.priority, changes)


def _changed(row: NewJob, job_type: JobType[..., Any], priority: Priority, changes: RedriveOptions) -> NewJob:
    arguments = changes.get("arguments")
    payload = row.payload if arguments is None else payload_with(row.payload, job_type, arguments)
    options = {name: value for name in _OF_ENQUEUE if (value := changes.get(name)) is not None}
    how = AS_DECLARED.extended(job_type, cast("EnqueueOptions", {"priority": priority, **options}))
    made = how.row(job_type, payload, row.created_at)
    lane = made.lane if "limits" in options else with_keys_of(lane_at(row.lane, made.priority), made.lane)
    return row._replace(
        payload=payload, priority=made.priority, scheduled_at=made.scheduled_at, lane=lane,
        max_attempts=made.max_attempts if "max_attempts" in options else row.max_attempts,
        label=made.label if "label" in options else row.label,
        metadata=made.metadata if "metadata" in options else row.metadata,
    )  # fmt: skip


def payload_with(stored: str, job_type: JobType[..., Any], arguments: Mapping[str, Any]) -> str:
    """A stored payload with other arguments in place of those of the same names, for the handler as it is now.

    Raises:
        InvalidOption: If they cannot be stored as JSON.
        InvalidPayload: If they do not fit the handler.
        PayloadTooLarge: If they are larger than the type allows.
    """
    signature = job_type.signature
    try:
        given = to_jsonable_python(dict(arguments))
    except (PydanticSerializationError, ValueError):
        raise InvalidOption("arguments", sorted(arguments), "arguments that can be stored as JSON") from None
    try:
        kept = json.loads(signature.present(stored))
        args, kwargs = signature.load(signature.marked(json.dumps(kept | given)))
    except InvalidPayload as error:
        raise InvalidPayload(job_type.name, error.problems, _UNCHANGED) from None
    return signature.dump(args, kwargs)

"""Stored schedules: what is stored of a bound job, and the job that a tick makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, cast

from aiojobs_lite.clock import LAST_INSTANT
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.handlers.options import EnqueueOptions
from aiojobs_lite.intervals import delay_of_tick
from aiojobs_lite.limits import DECLARED, Declared, Fixed, Limit, Rate
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.schedule_rows import ScheduleRow

STORED: Final = ("delay", "priority", "max_attempts", "label", "metadata", "expires", "limits")
"""The options of an enqueue that a schedule keeps."""

_NOT_STORED: Final = {
    "at": "its ticks say when, and delay= counts from them",
    "idempotency_key": "each tick makes one job of itself",
    "after": "overlap= says what becomes of a tick while the job before is not finished",
}
_ON_THE_TYPE: Final = "declare it on the job type, whose options count for each of its jobs"
_FUNCTION: Final = "limits whose keys are names of arguments: a function cannot be stored. Declare it on the job type"


def options_of(bound: BoundJob[Any]) -> str | None:
    """The options of a bound job as a JSON object, as a schedule keeps them; None without any.

    Raises:
        InvalidOption: If one of them cannot be kept.
    """
    declared = bound.job_type.how.given()
    given = {name: value for name, value in bound.how.given().items() if declared.get(name) != value}
    for name, value in given.items():
        if name not in STORED:
            raise InvalidOption(name, value, f"none on a job of a schedule: {_NOT_STORED.get(name, _ON_THE_TYPE)}")
    if "delay" in given:
        given["delay"] = bound.how.delay
    if "expires" in given and bound.how.flow is not None:
        given["expires"] = bound.how.flow.expires
    if "metadata" in given:
        given["metadata"] = json.loads(given["metadata"])
    if "limits" in given:
        given["limits"] = [_stored(limit, given["limits"]) for limit in given["limits"]]
    return json.dumps(given, separators=(",", ":")) if given else None


def job_of_tick(job_type: JobType[..., Any], schedule: ScheduleRow, tick: int | None, now: int) -> Candidate:
    """The job that a schedule makes.

    Args:
        job_type: The type of its jobs, as this program has it.
        schedule: The schedule.
        tick: The tick that makes it; None: it is run between its ticks.
        now: The instant of the enqueue, in microseconds.

    Raises:
        EnqueueError: If an option of the type or of the schedule finds no key in the payload.
    """
    how = job_type.how if schedule.options is None else job_type.using(**read_options(schedule.options)).how
    payload = job_type.bind().payload if schedule.payload is None else schedule.payload  # of a declared one
    row = how.row(job_type, payload, now)
    if tick is not None and (later := tick + delay_of_tick(schedule.expression, schedule.name, tick) - now) > 0:
        row = row._replace(scheduled_at=min(row.scheduled_at + later, LAST_INSTANT))
    return how.candidate(row._replace(schedule=schedule.name, tick=tick))


def read_options(options: str) -> EnqueueOptions:
    """The options that `options_of` has made text of."""
    given = json.loads(options)
    if "limits" in given:
        given["limits"] = list(map(_limit, given["limits"]))
    return cast("EnqueueOptions", given)


def _stored(limit: Limit | Rate | Declared, limits: Sequence[Limit | Rate | Declared]) -> dict[str, Any]:
    if isinstance(limit, Declared):
        return {}
    if callable(limit.key):
        raise InvalidOption("limits", limits, _FUNCTION)
    key = {"by": limit.key.by, "value": limit.key.value} if isinstance(limit.key, Fixed) else limit.key
    found: dict[str, Any] = {"most": limit.most, "key": key, "name": limit.name}
    if isinstance(limit, Rate):
        counts = {} if limit.counts == "attempts" else {"counts": limit.counts}
        return found | {"per": limit.period / 1_000_000} | counts
    return found | {"ordered": limit.ordered}


def _limit(stored: dict[str, Any]) -> Limit | Rate | Declared:
    if not stored:
        return DECLARED
    if isinstance(stored["key"], dict):
        stored = {**stored, "key": Fixed(**stored["key"])}
    return Rate(**stored) if "per" in stored else Limit(**stored)

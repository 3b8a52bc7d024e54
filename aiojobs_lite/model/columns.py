"""The one list of columns: from the fields of `Job`, `NewJob` and `Claimed`, once, when this module is imported.

A store makes its SELECT, its INSERT and the way back from a row of these; none of them is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, get_type_hints

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import (
    PRIORITY_NAMES,
    Attempt,
    Claimed,
    Held,
    Job,
    JobProgress,
    NewJob,
    Outcome,
    Priority,
    Status,
)
from aiojobs_lite.model.unique import UniqueScope

LARGEST_INTEGER: Final = 2**63 - 1
"""The largest whole number that every store keeps: no id, and no count of attempts, is larger."""

_STORED_AS: Final = {
    "payload_json": "payload",
    "result_json": "result",
    "metadata_json": "metadata",
    "details_json": "details",
}  # fields of `Job` and `Attempt` that are not named as stored
_GIVEN: Final = {"attempt": "attempts"}  # fields of `Claimed`
_READ: Final[dict[Any, Callable[[Any], Any]]] = {  # from what is stored to the type of a field
    Status: Status,
    Outcome: Outcome,
    Held: Held,
    UniqueScope: UniqueScope,
    Priority: PRIORITY_NAMES.__getitem__,
    datetime: to_datetime,
    bool: bool,
}

_BESIDE: Final = {"history", "progress"}  # fields of `Job` that lie in tables of their own

JOB: Final = tuple(_STORED_AS.get(name, name) for name in Job.__dataclass_fields__ if name not in _BESIDE)
"""What is read of a job, in the order of `Job`."""

ATTEMPT: Final = tuple(_STORED_AS.get(name, name) for name in Attempt.__dataclass_fields__)
"""What is read of an attempt, in the order of `Attempt`."""

REQUIRED: Final = tuple(name for name in NewJob._fields if name not in NewJob._field_defaults)
"""What is bound for every new job, in the order of `NewJob`; what is behind them is None for most."""

OPTIONAL: Final = NewJob._fields[len(REQUIRED) :]
"""The rest of `NewJob`."""

CLAIMED: Final = tuple(_GIVEN.get(name, name) for name in Claimed._fields)
"""What an owner is given, in the order of `Claimed`."""

_NEW: Final = (*NewJob._fields, "id", "started_at", "owner", "attempts")  # of a job that is inserted as claimed
_from_new = itemgetter(*[_NEW.index(name) if name in _NEW else len(_NEW) for name in CLAIMED])


def _converters(kind: type[Job] | type[Attempt]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Position and conversion of each field whose type is not the stored one."""
    hints = get_type_hints(kind)
    found = []
    for position, name in enumerate(field for field in kind.__dataclass_fields__ if field not in _BESIDE):
        of = hints[name]
        of = of if of in _READ else next((part for part in getattr(of, "__args__", ()) if part in _READ), None)
        if of is not None:
            found.append((position, _READ[of]))
    return found


_JOB_CONVERTERS: Final = tuple(_converters(Job))
_ATTEMPT_CONVERTERS: Final = tuple(_converters(Attempt))


def _converted(row: Sequence[Any], converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    values = list(row)
    for position, convert in converters:
        if values[position] is not None:
            values[position] = convert(values[position])
    return values


def job_of(row: Sequence[Any], history: tuple[Attempt, ...] = (), progress: JobProgress | None = None) -> Job:
    """The job of a row with the columns `JOB`."""
    return Job(*[*_converted(row, _JOB_CONVERTERS), history, progress])


def attempt_of(row: Sequence[Any]) -> Attempt:
    """The attempt of a row with the columns `ATTEMPT`."""
    return Attempt(*_converted(row, _ATTEMPT_CONVERTERS))


def claimed_new(job_id: int, row: NewJob, now: int, owner: str) -> Claimed:
    """What an owner is given of a job that is inserted as claimed by it, at `now`, for its first attempt."""
    return Claimed._make(_from_new((*row, job_id, now, owner, 1, 0)))  # the last: counters

"""Which jobs are meant: the filters of lists, and of what is done to many jobs at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidOption, JobNotFound
from aiojobs_lite.handlers.checks import check_aware, check_choice, check_each, check_storable
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Held, ReasonName, Status, StatusName
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.runner.types import type_name
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.text import make_storable

Wanted = str | int
"""A value that metadata are to have; True and False as well."""

MOST_WANTED: Final = 1000  # values of one name in the metadata
_MOST_NAMES_WANTED: Final = 20
_REASONS: Final = [str(known) for known in Held if known is not Held.UNKNOWN]


class JobSelection(TypedDict, total=False):
    """Which jobs are meant: those for which all holds that is given.

    Attributes:
        status: Their status.
        type: Their type: the job type, or its name.
        label: Their label.
        batch: The id of their batch.
        held: Why they are held.
        metadata: By name a value, or several in a list, of which their metadata have one.
        created_from: When they were enqueued at the earliest, an aware datetime.
        created_to: When at the latest.
    """

    status: Status | StatusName | None
    type: JobType[..., Any] | str | None
    label: str | None
    batch: int | None
    held: Held | ReasonName | None
    metadata: Mapping[str, Wanted | Collection[Wanted]] | None
    created_from: datetime | None
    created_to: datetime | None


def filter_of(given: JobSelection) -> FindJobs:
    """The query of a filter.

    Raises:
        InvalidOption: If something of it cannot work, or there is no such option.
    """
    refuse_unknown(given, JobSelection.__optional_keys__)
    status, held = given.get("status"), given.get("held")
    since, until = (
        None if (at := given.get(option)) is None else to_micros(check_aware(option, at))
        for option in ("created_from", "created_to")
    )
    return FindJobs(
        status=None if status is None else Status(check_choice("status", status, [str(known) for known in Status])),
        type=type_name(given.get("type")),
        label=check_storable("label", given.get("label")),
        batch=check_key_of("batch", given.get("batch"), "batch"),
        held=None if held is None else Held(check_choice("held", held, _REASONS)),
        metadata=check_wanted(given.get("metadata")),
        created_from=since,
        created_to=until,
    )


def check_wanted(value: object) -> dict[str, list[Wanted]] | None:
    """What metadata are to have, by name a list of values; None: anything.

    Raises:
        InvalidOption: If it is something else.
    """
    if value is None:
        return None
    expected = f"a dict of at most {_MOST_NAMES_WANTED} names, each with a value or a list of at most {MOST_WANTED:,}"
    if not isinstance(value, Mapping) or len(value) > _MOST_NAMES_WANTED or not all(map(_is_text, value)):
        raise InvalidOption("metadata", value, expected)
    wanted = {name: [of] if isinstance(of, str | int) else of for name, of in value.items()}
    for of in wanted.values():
        if not isinstance(of, list | tuple | set | frozenset) or len(of) > MOST_WANTED or not all(map(_is_wanted, of)):
            raise InvalidOption("metadata", value, f"{expected}: text, whole numbers or booleans")
    return {name: list(of) for name, of in wanted.items()}


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _is_wanted(value: object) -> bool:
    return abs(value) <= LARGEST_INTEGER if isinstance(value, int) else _is_text(value)


def check_key_of(option: str, value: object, of: str) -> int | None:
    """The id of something, or None."""
    is_id = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    if value is not None and not is_id:
        raise InvalidOption(option, value, f"the id of a {of}")
    return value if isinstance(value, int) else None


def check_id(job_id: object) -> int:
    """Checks that a value is the id of a job; raises `JobNotFound` for one that no job can have."""
    if isinstance(job_id, bool) or not isinstance(job_id, int):
        raise InvalidOption("job_id", job_id, "the id of a job, a whole number")
    if abs(job_id) > LARGEST_INTEGER:
        raise JobNotFound(job_id)
    return job_id


def check_ids(ids: object) -> set[int]:
    """Checks that a value has ids of jobs; see `check_id`."""
    return {check_id(one) for one in check_each("ids", ids, "ids of jobs")}


def check_reason(reason: object) -> str | None:
    """Text for people, as it is stored, or None; not empty."""
    if reason is not None and (not isinstance(reason, str) or not reason):
        raise InvalidOption("reason", reason, "text that is not empty")
    return None if reason is None else make_storable(reason, LONGEST_REASON_CHARS)

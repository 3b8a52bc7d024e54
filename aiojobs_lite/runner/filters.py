"""Which jobs are meant: one selection for lists, for counts, and for what is done to many jobs at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict, Unpack

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidOption, JobNotFound
from aiojobs_lite.handlers.checks import check_aware, check_choice, check_each, check_storable
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.limits import find_problem
from aiojobs_lite.limits import LimitKey
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Held, ReasonName, Status, StatusName
from aiojobs_lite.model.limits import meter_text
from aiojobs_lite.model.overview import IN_LANES
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.runner.types import type_name
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.text import make_storable

Wanted = str | int
"""A value that metadata and arguments are to have; True and False as well."""

JobOrder = Literal["newest", "oldest"]

LARGEST_PAGE: Final = 1000  # jobs
MOST_WANTED: Final = 1000  # values of one name in the metadata
_MOST_NAMES_WANTED: Final = 20
REASONS: Final = [*(str(known) for known in Held if known is not Held.UNKNOWN), IN_LANES]
"""For which jobs are held, as lists are asked for them."""

_TIMES: Final = ("created_from", "created_to", "completed_from", "completed_to", "scheduled_from", "scheduled_to")


class PendingFilters(TypedDict, total=False):
    """What jobs are asked for that have no end; see `JobFilters`."""

    ids: Iterable[int] | None
    status: Status | StatusName | None
    type: JobType[..., Any] | str | None
    label: str | None
    key: Mapping[str, LimitKey] | None
    batch: int | None
    held: Held | ReasonName | Literal["lane"] | None
    error: str | None
    metadata: Mapping[str, Wanted | Collection[Wanted]] | None
    payload: Mapping[str, Wanted | Collection[Wanted]] | None
    created_from: datetime | None
    created_to: datetime | None
    completed_from: datetime | None
    completed_to: datetime | None
    scheduled_from: datetime | None
    scheduled_to: datetime | None
    order: JobOrder | None


class JobFilters(PendingFilters, total=False):
    """Which jobs are meant: those for which all holds that is given. All times are aware datetimes, and count as well.

    Attributes:
        ids: Their ids.
        status: Their status.
        type: Their type: the job type, or its name.
        label: Their label.
        key: By the name of a limit its key, of which they are: `{"org": 7}`.
        batch: The id of their batch.
        held: Why they are held; `lane`: for a limit by key, or for their turn, as `DatabaseFigures.held` counts them.
        error: Text within their error, `ConnectionError: the bank is closed`; ASCII letters in any case.
        metadata: By name a value, or several in a list, of which their metadata have one, or a list that has one.
        payload: The same of their arguments, but for secret ones.
        created_from: When they were enqueued at the earliest.
        created_to: When at the latest.
        completed_from: When they ended at the earliest.
        completed_to: When at the latest.
        scheduled_from: From when they may run, at the earliest.
        scheduled_to: The same, at the latest.
        order: `newest`, the default: those of the highest ids come first; or `oldest`.
        reason: Text within their reason, such as that of `cancel`; ASCII letters in any case.
    """

    reason: str | None


@dataclass(frozen=True, slots=True, init=False, repr=False)
class JobSelection:
    """Which jobs are meant, as one value: `JobSelection(status="dead", type="charge")`.

    `runner.jobs.list`, `count`, `cancel_many`, `delete_many` and `redrive_many` take it, or the same as keywords, or
    both: a keyword replaces what the selection says.

    Attributes:
        options: What was given.
        query: The question to the store.

    Args:
        **wanted: See `JobFilters`.

    Raises:
        InvalidOption: If one of them cannot work, or there is no such option.
    """

    options: Mapping[str, Any]
    query: FindJobs

    def __init__(self, **wanted: Unpack[JobFilters]) -> None:
        if (ids := wanted.get("ids")) is not None:
            wanted = {**wanted, "ids": tuple(check_each("ids", ids, "ids of jobs"))}
        given = {name: value for name, value in wanted.items() if value is not None}
        object.__setattr__(self, "query", _query_of(wanted))
        object.__setattr__(self, "options", MappingProxyType(given))

    def __repr__(self) -> str:
        """As it is made."""
        return f"JobSelection({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"

    @property
    def is_of_all(self) -> bool:
        """Whether it asks for nothing: every job is meant."""
        return self.query._replace(oldest_first=False) == FindJobs()


def select(selection: JobSelection | Iterable[int] | None, wanted: Mapping[str, Any]) -> JobSelection:
    """The selection that is meant: as given, or the jobs of some ids, each with keywords.

    Raises:
        InvalidOption: If something of it cannot work.
    """
    if isinstance(selection, JobSelection):
        return JobSelection(**{**selection.options, **wanted}) if wanted else selection
    return JobSelection(**wanted) if selection is None else JobSelection(**{**wanted, "ids": selection})


def _query_of(given: JobFilters) -> FindJobs:
    """The query of filters."""
    refuse_unknown(given, JobFilters.__optional_keys__)
    status, held, ids = given.get("status"), given.get("held"), given.get("ids")
    is_in_lanes = held == IN_LANES
    if is_in_lanes:
        status, held = Status.PENDING if status is None else status, None
    times: Mapping[str, Any] = {name: _micros(name, given.get(name)) for name in _TIMES}
    order = given.get("order")
    query = FindJobs(
        ids=None if ids is None else sorted({check_id(one) for one in ids}),
        status=None if status is None else Status(check_choice("status", status, [str(known) for known in Status])),
        type=type_name(given.get("type")),
        label=check_storable("label", given.get("label")),
        batch=check_key_of("batch", given.get("batch"), "batch"),
        held=None if held is None else Held(check_choice("held", held, REASONS)),
        in_lanes=is_in_lanes or None,
        metadata=check_wanted("metadata", given.get("metadata")),
        payload=check_wanted("payload", given.get("payload")),
        meter=_meter_of(given.get("key")),
        error=check_storable("error", given.get("error")),
        reason=check_storable("reason", given.get("reason")),
        oldest_first=order is not None and check_choice("order", order, ("newest", "oldest")) == "oldest",
    )
    return query._replace(**times)


def _micros(option: str, at: object) -> int | None:
    return None if at is None else to_micros(check_aware(option, at))


def _meter_of(key: object) -> str | None:
    """The meter of a limit and its key."""
    if key is None:
        return None
    if not isinstance(key, Mapping) or len(key) != 1 or not all(map(_is_text, key)):
        raise InvalidOption("key", key, 'a dict with the name of a limit and its key, such as {"org": 7}')
    ((limit, of),) = key.items()
    problem = find_problem(of)
    if problem is not None:
        raise InvalidOption("key", key, f"the key of a limit, as its jobs have it; this one {problem}")
    return meter_text(limit, of)


def check_wanted(option: str, value: object) -> dict[str, list[Wanted]] | None:
    """What metadata or arguments are to have, by name a list of values; None: anything.

    Raises:
        InvalidOption: If it is something else.
    """
    if value is None:
        return None
    expected = f"a dict of at most {_MOST_NAMES_WANTED} names, each with a value or a list of at most {MOST_WANTED:,}"
    if not isinstance(value, Mapping) or len(value) > _MOST_NAMES_WANTED or not all(map(_is_text, value)):
        raise InvalidOption(option, value, expected)
    wanted = {name: [of] if isinstance(of, str | int) else of for name, of in value.items()}
    for of in wanted.values():
        if not isinstance(of, list | tuple | set | frozenset) or len(of) > MOST_WANTED or not all(map(_is_wanted, of)):
            raise InvalidOption(option, value, f"{expected}: text, whole numbers or booleans")
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


def check_job_key(key: object) -> str:
    """Checks that a value may be the key of a job: text."""
    if not isinstance(key, str):
        raise InvalidOption("key", key, "the key of a job, as text")
    return key


def check_ids(ids: object) -> set[int]:
    """Checks that a value has ids of jobs, at most those of a page; see `check_id`."""
    wanted = {check_id(one) for one in check_each("ids", ids, "ids of jobs")}
    if len(wanted) > LARGEST_PAGE:
        raise InvalidOption("ids", f"{len(wanted):,} ids", f"at most {LARGEST_PAGE:,}")
    return wanted


def check_reason(reason: object) -> str | None:
    """Text for people, as it is stored, or None; not empty."""
    if reason is not None and (not isinstance(reason, str) or not reason):
        raise InvalidOption("reason", reason, "text that is not empty")
    return None if reason is None else make_storable(reason, LONGEST_REASON_CHARS)

"""SQL for the columns of `model/columns.py`, and the rows of new jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from aiojobs_lite.model import columns
from aiojobs_lite.model.batches import BatchRow
from aiojobs_lite.model.documents import Document
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.schedule_rows import ScheduleRow
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.stores import named_sql
from aiojobs_lite.stores.sqlite.due import NEVER

Sql = Mapping[str, str]
"""Every query of the store, by name."""

required_of: Final[Callable[[NewJob], tuple[Any, ...]]] = itemgetter(slice(len(columns.REQUIRED)))
more_of: Final[Callable[[NewJob], tuple[Any, ...]]] = itemgetter(slice(len(columns.REQUIRED), None))
NOTHING_MORE: Final = (None,) * len(columns.OPTIONAL)  # what nearly all new jobs bring of them
NEW_ROW: Final = f"({', '.join('?' * (1 + len(columns.REQUIRED)))})"
LANED_ROW: Final = f"({', '.join('?' * (3 + len(columns.REQUIRED)))})"  # with lane and place
PENDING: Final[tuple[Any, ...]] = (Status.PENDING.value, 0, None, None)  # status, attempts, owner, started_at

_ASKED: Final = ("status", "type", "owner", "label", "held", "cancel_requested")  # of `FindJobs`; each is a column
_FILLED: Final = {
    "largest": str(columns.LARGEST_INTEGER),  # where a counter stays
    "never": str(NEVER),
    "job": ", ".join(columns.JOB),
    "attempt": ", ".join(columns.ATTEMPT),
    "claimed": ", ".join(columns.CLAIMED),
    "batch": ", ".join(BatchRow._fields),
    "document": ", ".join(Document._fields),
    "schedule": ", ".join(ScheduleRow._fields),
    "step": ", ".join(StepRow._fields),
    "required": ", ".join(columns.REQUIRED),
    "numbered": ", ".join(f"column{number + 2}" for number in range(len(columns.REQUIRED))),
    "numbered_behind": ", ".join(f"column{number + 2 + len(columns.REQUIRED)}" for number in range(2)),
    "laned": f"column{len(columns.REQUIRED) + 2}, column{len(columns.REQUIRED) + 3}",
    "new": ", ".join(NewJob._fields),
    "asked": "\n    AND ".join(f"(:{name} IS NULL OR {name} = :{name})" for name in _ASKED),
    "new_marks": ", ".join("?" * len(NewJob._fields)),
}


@cache
def load_sql() -> Sql:
    """Every query of the SQLite store, by name, with the columns filled in. Read once: a store is made in no time."""
    return MappingProxyType(named_sql.load(__package__, _FILLED))


def chunks(count: int, largest: int) -> Iterable[tuple[int, int]]:
    """Cuts `count` rows into runs `(start, size)` of the largest size and then of falling powers of two."""
    start, size = 0, largest
    while count:
        while size > count:
            size //= 2
        yield start, size
        start += size
        count -= size


@cache
def filled(sql: str, row: str, size: int) -> str:
    """A query with its `{rows}` replaced by so many."""
    return sql.replace("{rows}", ", ".join([row] * size))

"""Limits and rates by key: what a job type declares, what a job is counted by, and what a store keeps of a limit.

- A *meter* is one limit for one key. It counts the attempts that run, or those that started within a period.
- A *lane* names the meters of a job: all jobs of one type with the same keys, and the same priority, are in one lane.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.writes import unanswered

MOST_LIMITS: Final = 3  # of a job type
ORDERED: Final = "ordered"  # stands in a lane in place of the priority
_LANES_KNOWN: Final = 10_000


class StoredLimit(NamedTuple):
    """What a store keeps of a limit or a rate.

    Attributes:
        name: Its name, one for all keys.
        most: Most attempts.
        per: The period in microseconds in which they start; None: they run at once.
    """

    name: str
    most: int
    per: int | None = None


class SetLimits(NamedTuple):
    """Stores limits: each counts from now on, for all owners and for the jobs that wait. Answer: those that had other
    values before, as they were.
    """

    limits: tuple[StoredLimit, ...]

    def answer(self) -> tuple[StoredLimit, ...]:
        """See `Write`."""
        unanswered()


class ListLimits(NamedTuple):
    """The limits that are stored. Answer: each by its name."""

    def answer(self) -> dict[str, StoredLimit]:
        """See `Query`."""
        unanswered()


def full_name(limit: Limit | Rate, job_type: str) -> str:
    """The name of a limit over all job types."""
    if limit.name is not None:
        return limit.name
    key = limit.key
    by = getattr(key, "__name__", "") if callable(key) else key if isinstance(key, str) else ", ".join(key)
    return f"{job_type}: {limit.kind} by {by}"


def stored_limit(limit: Limit | Rate, job_type: str) -> StoredLimit:
    """What a store keeps of a limit, as declared for a job type."""
    return StoredLimit(full_name(limit, job_type), limit.most, limit.period if isinstance(limit, Rate) else None)


# Lanes and meters, as text: one form each, so that equal ones are equal texts.


class Lane(NamedTuple):
    """What the text of a lane says.

    Attributes:
        type: The job type.
        is_ordered: Whether its jobs run in the order of their ids, whatever their priority.
        meters: Name and key of each limit, as `meter_text` has them.
    """

    type: str
    is_ordered: bool
    meters: tuple[str, ...]


def lane_text(job_type: str, priority: int, keys: Sequence[tuple[str, Any]], *, is_ordered: bool) -> str:
    """The lane of a job.

    Args:
        job_type: Its type.
        priority: Its priority.
        keys: Name and key of each of its limits.
        is_ordered: Whether one of them is ordered.
    """
    parts = [part for pair in keys for part in pair]
    return _text([job_type, ORDERED if is_ordered else priority, *parts])


@lru_cache(_LANES_KNOWN)
def lane_of(text: str) -> Lane:
    """Reads the text of a lane. One that another program has written may name no meter."""
    try:
        job_type, turn, *parts = json.loads(text)
        meters = tuple([_text(pair) for pair in zip(parts[::2], parts[1::2], strict=True)])
        return Lane(job_type, turn == ORDERED, meters)
    except (ValueError, TypeError):
        return Lane("", is_ordered=False, meters=())


def meter_text(name: str, key: Any) -> str:
    """The meter of a limit for a key."""
    return _text((name, key))


@lru_cache(_LANES_KNOWN)
def limit_of(meter: str) -> str:
    """The name of the limit of a meter."""
    name: str = json.loads(meter)[0]
    return name


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# The log of starts of a rate.

Starts = list[tuple[int, int]]
"""Instants, rising, and how many attempts started at each."""

_EXACT: Final = 64  # starts of a rate with no more are kept one by one, and as many parts of the period of others


def within(starts: Starts, limit: StoredLimit, now: int) -> Starts:
    """Those starts that count at an instant."""
    first = now - (limit.per or 0)
    return starts if not starts or starts[0][0] > first else [start for start in starts if start[0] > first]


def started(starts: Starts, limit: StoredLimit, now: int, count: int = 1) -> Starts:
    """The log after so many more starts: bounded, and never less strict than what has happened."""
    part = max((limit.per or 0) // _EXACT, 1)
    if starts and starts[-1][0] > now:  # a clock was set back
        return sorted([*starts, (now, count)])
    if starts and (starts[-1][0] == now or (limit.most > _EXACT and starts[-1][0] // part == now // part)):
        return [*starts[:-1], (now, starts[-1][1] + count)]
    return [*starts, (now, count)]


def moved_back(starts: Starts, now: int, tolerance: int) -> Starts:
    """The log after a clock was set right that was ahead by more than a tolerance: what it noted started now."""
    return sorted([(now if at > now + tolerance else at, count) for at, count in starts])


def capacity_in(starts: Starts, limit: StoredLimit) -> int:
    """How many more may start, given those that count."""
    return limit.most - sum(count for _, count in starts)


def free_at(starts: Starts, limit: StoredLimit) -> int:
    """When one more may start, given those that count and that are exhausted."""
    left = sum(count for _, count in starts)
    for at, count in starts:
        left -= count
        if left < limit.most:
            return at + (limit.per or 0)
    return 0

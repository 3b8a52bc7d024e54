"""Limits and rates by key: what a job type declares, what a job is counted by, and what a store keeps of a limit.

- A *meter* is one limit for one key. It counts the attempts that run, or those that started within a period.
- A *lane* names the meters of a job: all jobs of one type with the same keys, and the same priority, are in one lane.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aiojobs_lite.limit_values import ORDERED, STARTS
from aiojobs_lite.limits import Fixed, Limit, Rate
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.writes import unanswered

MOST_LIMITS: Final = 4  # of a job type
END: Final = "\n"  # of a part of a lane: it is in no name, and in no key as JSON
_LANES_KNOWN: Final = 20_000


class StoredLimit(NamedTuple):
    """What a store keeps of a limit or a rate that code has set.

    Attributes:
        name: Its name, one for all keys.
        most: Most attempts.
        per: The period in microseconds in which they start; None: they run at once.
        key: The key for which it counts, as JSON; None: each that has no value of its own.
    """

    name: str
    most: int
    per: int | None = None
    key: str | None = None


class SetLimits(NamedTuple):
    """Stores limits as code has them: each counts from now on, for all owners and for the jobs that wait. One that is
    pinned stays as it is. One for a key, of a name that is not stored, is stored for all keys. Answer: those that had
    other values before, as they were.
    """

    limits: tuple[StoredLimit, ...]

    def answer(self) -> tuple[StoredLimit, ...]:
        """See `Write`."""
        unanswered()


class ChangeLimit(NamedTuple):
    """Sets what a limit allows, for all owners and for the jobs that wait. Answer: whether there is such a limit.

    An ordered one (`limit_values.is_name_of_ordered`) is never set to more than one.

    Attributes:
        name: Its name.
        key: The key for which it counts, as JSON; None: each that has no value of its own.
        most: Most attempts; None: a key has no value of its own any more, and that for all keys stays as it is.
        per: The period of a rate in microseconds; None: as it is for all keys, or was. A limit has none.
        is_pinned: Whether it stays whatever `SetLimits` says.
    """

    name: str
    key: str | None
    most: int | None
    per: int | None
    is_pinned: bool

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class PauseLimit(NamedTuple):
    """Lets no job start that a limit counts, for all owners, or lets them start again. What is paused already keeps
    its `Pause`, but for an end and an author of one that lasts longer. Answer: whether there is such a limit.

    A pause with an end is over in each transaction from that instant on. It may still be listed then.

    Attributes:
        name: Its name.
        key: The key, as JSON; None: every key, and then a key that is paused of its own stays paused.
        paused: Whether it is paused, or resumed.
        by: The person or program that pauses it.
        until: When the pause ends by itself, in microseconds; None: it does not.
    """

    name: str
    key: str | None
    paused: bool
    by: str | None = None
    until: int | None = None

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class RestartRate(NamedTuple):
    """Begins the count of a rate anew for one key: no start counts any more. Answer: whether there is such a limit.

    Attributes:
        name: Its name.
        key: The key, as JSON.
    """

    name: str
    key: str

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class LimitRow(NamedTuple):
    """A limit as it is stored.

    Attributes:
        name: Its name.
        key: The key for which it counts, as JSON; None: each that has no value of its own.
        most: Most attempts; None: the key has no value of its own, it is paused only.
        per: The period in microseconds; None: it is no rate.
        is_pinned: Whether it stays whatever code says.
        pause: Its pause, or None.
    """

    name: str
    key: str | None
    most: int | None
    per: int | None
    is_pinned: bool = False
    pause: Pause | None = None


class ListLimits(NamedTuple):
    """The limits that are stored. Answer: a `LimitRow` each, by name, that for all keys first, then by key."""

    def answer(self) -> list[LimitRow]:
        """See `Query`."""
        unanswered()


class MeterState(NamedTuple):
    """Where a limit stands for one key.

    Attributes:
        limit: What counts for the key, with its pause or that of all keys, if it is not over.
        taken: How many attempts run, or started within the period.
        free_at: When one more may start of an exhausted rate; else None.
    """

    limit: LimitRow
    taken: int
    free_at: int | None


class MeterUse(NamedTuple):
    """What a limit counts for one key.

    Attributes:
        state: Where it stands.
        began_at: The first start that a rate counts, or None.
        waiting: How many jobs are pending, not held and due.
        pending: How many are pending and not held.
    """

    state: MeterState
    began_at: int | None
    waiting: int
    pending: int


class LookAtMeters(NamedTuple):
    """What a limit counts for some keys at an instant. Answer: a `MeterUse` for each; None if there is no such limit.

    Costs the pending jobs of the types that it counts, once for all keys.

    Attributes:
        name: Its name.
        keys: The keys, as JSON.
        now: The instant.
    """

    name: str
    keys: tuple[str, ...]
    now: int

    def answer(self) -> list[MeterUse] | None:
        """See `Query`."""
        unanswered()


class LaneState(NamedTuple):
    """What the limits of a job make it wait for.

    Attributes:
        meters: Each of its limits that is stored.
        before: The job of the same ordered lane that comes before it, or None.
    """

    meters: tuple[MeterState, ...]
    before: int | None


class LookAtLane(NamedTuple):
    """Where the limits of a job stand at an instant. Answer: a `LaneState`.

    Attributes:
        lane: The job's lane.
        id: The job.
        now: The instant.
    """

    lane: str
    id: int
    now: int

    def answer(self) -> LaneState:
        """See `Query`."""
        unanswered()


def full_name(limit: Limit | Rate, job_type: str) -> str:
    """The name of a limit over all job types."""
    if limit.name is not None:
        return limit.name
    key = limit.key
    if isinstance(key, Fixed):
        by = key.by
    else:
        by = getattr(key, "__name__", "") if callable(key) else key if isinstance(key, str) else ", ".join(key)
    return f"{job_type}: {ORDERED if limit.ordered else STARTS if limit.counts == 'jobs' else limit.kind} by {by}"


def stored_limit(limit: Limit | Rate, job_type: str) -> StoredLimit:
    """What a store keeps of a limit, as declared for a job type."""
    return StoredLimit(full_name(limit, job_type), limit.most, limit.period if isinstance(limit, Rate) else None)


# Lanes and meters, as text: one form each, so that equal ones are equal texts.


class LimitedLane(str):
    """A lane, and the limits that are to be stored for its keys when its job is inserted.

    Attributes:
        limits: As for `SetLimits`, which is done in the same step.
    """

    __slots__ = ("limits",)
    limits: tuple[StoredLimit, ...]

    def __new__(cls, lane: str, limits: tuple[StoredLimit, ...]) -> LimitedLane:
        """Makes it of the text of a lane."""
        made = super().__new__(cls, lane)
        made.limits = limits
        return made


class Lane(NamedTuple):
    """What the text of a lane says.

    Attributes:
        type: The job type.
        is_ordered: Whether its jobs run in the order of their ids, whatever their priority.
        meters: Name and key of each limit, as `meter_text` has them.
        limits: The name of the limit of each.
    """

    type: str
    is_ordered: bool
    meters: tuple[str, ...]
    limits: tuple[str, ...] = ()


def lane_text(job_type: str, priority: int, keys: Sequence[tuple[str, Any]], *, is_ordered: bool) -> str:
    """The lane of a job.

    Args:
        job_type: Its type.
        priority: Its priority.
        keys: Name and key of each of its limits.
        is_ordered: Whether one of them is ordered.
    """
    parts = [meter_text(name, key) for name, key in keys]
    return END.join([job_type, ORDERED if is_ordered else str(priority), *parts])


def lane_at(text: str | None, priority: int) -> str | None:
    """The lane of a job that takes the arguments of another one and keeps its own priority."""
    if text is None:
        return None
    job_type, _, behind = text.partition(END)
    order, _, keys = behind.partition(END)
    if order in (ORDERED, str(priority)):
        return text
    lane = END.join([job_type, str(priority), keys])
    return LimitedLane(lane, text.limits) if isinstance(text, LimitedLane) else lane


def with_keys_of(text: str | None, other: str | None) -> str | None:
    """The lane of a job whose limits count it by the keys of another lane, where that has a limit of the same name."""
    if text is None or other is None or text == other:
        return text
    keys = {limit_of(meter): meter for meter in lane_of(other).meters}
    job_type, order, *_ = text.split(END)
    return END.join([job_type, order, *(keys.get(limit_of(meter), meter) for meter in lane_of(text).meters)])


@lru_cache(_LANES_KNOWN)
def lane_of(text: str) -> Lane:
    """Reads the text of a lane. One that another program has written may name no meter."""
    job_type, *parts = text.split(END)
    if len(parts) < 3 or len(parts) % 2 == 0:
        return Lane("", is_ordered=False, meters=())
    names = tuple(parts[1::2])
    meters = tuple([f"{name}{END}{key}" for name, key in zip(names, parts[2::2], strict=True)])
    return Lane(job_type, parts[0] == ORDERED, meters, names)


def meter_text(name: str, key: Any) -> str:
    """The meter of a limit for a key."""
    return f"{name}{END}{key_text(key)}"


def limit_of(meter: str) -> str:
    """The name of the limit of a meter."""
    return meter.partition(END)[0]


def meter_key(meter: str) -> str:
    """The key of a meter, as JSON."""
    return meter.partition(END)[2]


def key_text(key: Any) -> str:
    """A key as JSON."""
    return str(key) if type(key) is int else _encode(key)


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# The log of starts of a rate.

Starts = list[tuple[int, int]]
"""Instants, rising, and how many attempts started at each."""

_EXACT: Final = 64  # starts of a rate with no more are kept one by one, and as many parts of the period of others


def within(starts: Starts, limit: StoredLimit, now: int) -> Starts:
    """Those starts that count at an instant."""
    first = now - (limit.per or 0)
    return starts if not starts or starts[0][0] > first else [start for start in starts if start[0] > first]


def kept(starts: Starts, limit: StoredLimit, now: int) -> Starts:
    """Those starts that count, and those that count again at an instant a little earlier: a clock may be set back, and
    of two transactions the one that waits for the other may have the earlier instant.
    """
    return within(starts, limit, now - min(limit.per or 0, CLOCK_TOLERANCE_US))


def started(starts: Starts, limit: StoredLimit, now: int, count: int = 1) -> Starts:
    """The log after so many more starts: bounded, and never less strict than what has happened."""
    part = max((limit.per or 0) // _EXACT, 1)
    if not starts:
        return [(now, count)]
    last, so_many = starts[-1]
    if last == now or (limit.most > _EXACT and (last > now or last // part == now // part)):
        return [*starts[:-1], (max(last, now), so_many + count)]
    if last > now:  # a clock was set back
        return sorted([*starts, (now, count)])
    return [*starts, (now, count)]


def moved_back(starts: Starts, now: int, tolerance: int) -> Starts:
    """The log after a clock was set right that was ahead by more than a tolerance: what it noted started now."""
    return sorted([(now if at > now + tolerance else at, count) for at, count in starts])


def capacity_in(starts: Starts, limit: StoredLimit) -> int:
    """How many more may start, given those that count."""
    return limit.most - sum([count for _, count in starts])


def free_at(starts: Starts, limit: StoredLimit) -> int:
    """When one more may start, given those that count and that are exhausted."""
    left = sum([count for _, count in starts])
    for at, count in starts:
        left -= count
        if left < limit.most:
            return at + (limit.per or 0)
    return 0

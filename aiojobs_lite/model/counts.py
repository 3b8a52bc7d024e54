"""How many jobs of a type stand where."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from aiojobs_lite.model.pauses import Pause


class TypeCounts(NamedTuple):
    """How many jobs of one type stand where.

    Attributes:
        pending: All that wait, the three below included.
        scheduled: Pending, no attempt spent, due later than when the store last looked at the type. It looks when a
            transaction moves a job of the type, or seldom enough to be cheap.
        retrying: Pending, after an attempt that was spent.
        held: Pending, and not to be claimed for now; `Job.held` says why.
        processing: Being run, by any owner.
        completed: Completed, and not yet pruned.
        dead: Dead, and not yet pruned.
        cancelled: Cancelled, and not yet pruned.
    """

    pending: int = 0
    scheduled: int = 0
    retrying: int = 0
    held: int = 0
    processing: int = 0
    completed: int = 0
    dead: int = 0
    cancelled: int = 0


class Counts(NamedTuple):
    """The counts of a store at one moment.

    Attributes:
        total: Of all types together.
        by_type: Of each type that has or had jobs.
        due: For types that may have claimable jobs: an instant in microseconds, never after the earliest
            `scheduled_at` of them, perhaps before it; if that instant has come, any other that has. While a transaction
            is in flight, a type that it is about may be missing.
        paused: The types that are paused, with or without jobs.
    """

    total: TypeCounts
    by_type: Mapping[str, TypeCounts]
    due: Mapping[str, int]
    paused: Mapping[str, Pause] = MappingProxyType({})

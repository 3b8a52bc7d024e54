"""The lines in which lanes stand: that of their type, where the claim looks, or that of a meter that is exhausted."""

from __future__ import annotations

from typing import NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.limits import END, Lane, limit_of
from aiojobs_lite.stores.sqlite.due import Bound, Due
from aiojobs_lite.stores.sqlite.limit_rows import LimitRows
from aiojobs_lite.stores.sqlite.limited_types import LimitedTypes
from aiojobs_lite.stores.sqlite.meters import Meters
from aiojobs_lite.text import end_of_prefix


class Woken(NamedTuple):
    """A lane that goes on from the line of a meter, and from which bound on it may have a job."""

    text: str
    type: str
    priority: int
    bound: Bound


class Lines:
    """Where each lane stands, and which meters may let lanes go on.

    Args:
        rows: The rows of limits, lanes and meters.
        due: When the jobs of each type are due.
        meters: What each limit allows.
        types: The types that have limits by key, or had.

    Attributes:
        has_lanes: Whether jobs wait in any lane.
        types_due: The types of which the transaction lets lanes be claimed, whose bounds are to be stored.
    """

    def __init__(self, rows: LimitRows, due: Due, meters: Meters, types: LimitedTypes) -> None:
        self._rows = rows
        self._due = due
        self._meters = meters
        self._types = types
        self._freed: dict[str, None] = {}  # meters that may have capacity, in the order in which they got it
        self.has_lanes = False
        self.types_due: set[str] = set()

    def clear(self) -> None:
        """Forgets which meters may have capacity: all is read anew."""
        self._freed.clear()

    def free(self, *meters: str) -> None:
        """Meters may have capacity."""
        self._freed |= dict.fromkeys(meters)

    def wake(self, most: int = LARGEST_INTEGER) -> list[Woken]:
        """Lets as many lanes as there is capacity for, and at most so many, go on from the line of each meter that may
        have capacity, in the order in which they got it; returns those that do.
        """
        woken: list[Woken] = []
        self.free(*self._meters.freed_by_time(self.free_limit))
        if self._freed and not self.has_lanes:  # no lane waits for a meter, but jobs that are to come may
            for name in set(map(limit_of, self._freed)):
                for job_type in self._types.of(name):
                    self._due.add_known(job_type)
            self._freed.clear()
        for meter in self._freed:
            woken += self._wake_for(meter, most)
        self._freed.clear()
        return woken

    def make_due(self, job_type: str, priority: int, bound: Bound) -> None:
        """A lane may be claimed."""
        self._due.add(job_type, priority, *bound)
        self.types_due.add(job_type)

    def put(self, lane: Lane, full: str | None) -> str:
        """Has a lane stand in the line of its type, or of the meter that is exhausted for it; returns the line."""
        if full is None:
            return lane.type
        self._meters.set_time(full, may_have_more=True)
        return f"{full}{END}{lane.type}"

    def goes_on_by(self, bound: Bound, line: str, job_type: str, priority: int) -> None:
        """A lane has another bound: it may be claimed, or be the next one of the line in which it stands."""
        if line == job_type:
            self.make_due(job_type, priority, bound)
        else:
            self.free(line.rpartition(END)[0])

    def give_up(self, lane: Lane, full: str | None) -> None:
        """A lane leaves the line of its type: what it does not use is free for others."""
        self.free(*[meter for meter in lane.meters if meter != full])

    def free_limit(self, name: str, key: str | None) -> None:
        """A limit has changed: lanes may go on that wait for it. Of all keys they may be very many: claims find
        those that may not, some in each.
        """
        if key is not None:
            self.free(f"{name}{END}{key}")
        elif self.has_lanes and self._rows.run("open_lines", (name + END, end_of_prefix(name + END))):
            for job_type in self._types.of(name):
                self._due.add_any(job_type)
                self.types_due.add(job_type)

    def _wake_for(self, meter: str, most: int) -> list[Woken]:
        """Lets lanes go on that wait for a meter; returns those that do."""
        capacity, woken, of_one_type = min(self._meters.capacity(meter), most), list[Woken](), 0
        if capacity <= 0:
            self._meters.set_time(meter, may_have_more=True)  # its period may be another one now
            return woken
        for job_type in sorted(self._types.of(limit_of(meter))):
            self._due.add_known(job_type)
            line = {"type": job_type, "line": f"{meter}{END}{job_type}", "capacity": capacity}
            found = self._rows.all("wake_lanes", line)
            for text, priority, at, job_id in found:
                woken.append(Woken(text, job_type, priority, (at, job_id)))
                self.make_due(job_type, priority, (at, job_id))
            of_one_type = max(of_one_type, len(found))
        self._rows.is_changed |= bool(woken)
        self._meters.set_time(meter, may_have_more=of_one_type >= capacity)
        return woken

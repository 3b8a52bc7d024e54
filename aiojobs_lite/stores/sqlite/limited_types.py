"""Which types have which limits, and what runs of them, as one connection knows it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from aiojobs_lite.model.limits import Lane

_MOST_STARTED: Final = 100_000


class LimitedTypes:
    """The types that have limits by key, or had.

    Attributes:
        names: Of all of them.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._of: defaultdict[str, set[str]] = defaultdict(set)  # by the name of a limit
        self._noted: set[tuple[str, tuple[str, ...]]] = set()  # types and their limits

    def load(self, rows: Iterable[tuple[str, str]]) -> None:
        """Takes what is stored: the name of a limit and a type, a pair each."""
        self._of.clear()
        self._noted.clear()
        for name, job_type in rows:
            self._of[name].add(job_type)
        self.names.clear()
        self.names.update(*self._of.values())

    def of(self, limit: str) -> Collection[str]:
        """The types that have a limit of this name."""
        return self._of[limit]

    def add(self, lane: Lane) -> list[str]:
        """Adds the type of a lane; returns the names of its limits that it was not known to have."""
        if (lane.type, lane.limits) in self._noted:
            return []
        self._noted.add((lane.type, lane.limits))
        found = [name for name in lane.limits if lane.type not in self._of[name]]
        for name in found:
            self._of[name].add(lane.type)
        self.names.update([lane.type] if found else [])
        return found


class LanedAttempts:
    """The attempts that run of types with limits: how many of each type, and the lanes of those that started here."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._lanes: dict[int, str] = {}  # by job; not all

    def count(self, running: Counter[str]) -> None:
        """Takes what was counted, by type."""
        self._of = running

    def begin(self, job_type: str, count: int) -> None:
        """So many begin."""
        self._of[job_type] += count

    def end(self, job_type: str, count: int) -> None:
        """So many have ended."""
        self._of[job_type] -= count

    def are_any(self, job_type: str) -> bool:
        """Whether one of this type runs."""
        return self._of[job_type] > 0

    def note(self, lane: str, jobs: Iterable[int]) -> None:
        """Notes the lane of jobs whose attempts have started."""
        if len(self._lanes) >= _MOST_STARTED:
            self._lanes.clear()
        self._lanes.update(dict.fromkeys(jobs, lane))

    def take(self, job_id: int) -> str | None:
        """The lane of a job whose attempt has ended, if it is known; it is not any more."""
        return self._lanes.pop(job_id, None)

    def forget(self) -> None:
        """Forgets the lanes: other jobs may get the ids."""
        self._lanes.clear()

"""Walks over the jobs of a selection: as far as a page or a count needs, in questions that each take a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.model.queries import FindIds, FindJobs
from aiojobs_lite.telemetry.stats import RunnerStats, TypeStats

PAGE_S: Final = 0.03  # that the questions of a page take together, or but for the last one
QUESTION_S: Final = 0.01  # that one question is to take: others wait for the same connection
FIRST_LOOKS: Final = 1_000  # jobs
_STEP: Final = 4  # times as many jobs, or so small a part of them, as the question before has looked at
_SHORTEST_S: Final = 1e-6
_LOOKS_AT_ONCE: Final = 1_000_000
_IDS_AT_ONCE: Final = 1_000  # of a selection by ids


class JobPage(list[Job]):
    """A page of jobs, as a list.

    A page may be short, or empty, before the list ends: no more jobs are looked at for it than a moment allows.

    Attributes:
        next: The `after` of the page behind it; None if this is the last one.
    """

    __slots__ = ("next",)

    def __init__(self, jobs: list[Job], next: int | None) -> None:  # noqa: A002  # as of the other pages
        super().__init__(jobs)
        self.next = next


class JobWalk:
    """The ids of the jobs of a question, some at a time, in its order.

    How many jobs a question looks at follows how long the one before took.

    Args:
        engine: Has the jobs.
        query: Which jobs, and behind which id.
        part: At most so many are looked for at once of those that are known by id.

    Attributes:
        next: The id behind which it goes on.
        is_at_end: Whether there are no more.
    """

    def __init__(self, engine: Engine, query: FindJobs, part: int = _IDS_AT_ONCE) -> None:
        self._engine, self._looks, self.next = engine, FIRST_LOOKS, query.after if query.oldest_first else query.before
        self._parts = self._parts_of(query, part)
        self._query = next(self._parts, None)

    @property
    def is_at_end(self) -> bool:
        """See the class."""
        return self._query is None

    async def find(self, limit: int) -> list[int]:
        """Some more of them, at most so many; perhaps none, and not at the end."""
        if self._query is None:
            return []
        started = time.monotonic()
        page = await self._engine.ask(FindIds(self._query._replace(limit=limit), self._looks))
        took = time.monotonic() - started
        times = max(1 / _STEP, min(_STEP, QUESTION_S / max(took, _SHORTEST_S)))
        self._looks = min(max(round(self._looks * times), 1), _LOOKS_AT_ONCE)
        if page.next is not None:
            self.next, self._query = page.next, behind(self._query, page.next)
        else:
            self.next = None if self._query.ids is None else [*self._query.ids][-1]
            self._query = next(self._parts, None)
        return page.ids

    @staticmethod
    def _parts_of(query: FindJobs, size: int) -> Iterator[FindJobs]:
        if query.ids is None:
            yield query
            return
        ids = sorted(query.ids, reverse=not query.oldest_first)
        for start in range(0, len(ids), size):
            yield query._replace(ids=ids[start : start + size])


def behind(query: FindJobs, place: int | None) -> FindJobs:
    """The same question behind an id, in its order."""
    return query._replace(after=place) if query.oldest_first else query._replace(before=place)


async def read_page(engine: Engine, query: FindJobs, limit: int) -> JobPage:
    """A page of at most so many jobs."""
    walk, ids, ends = JobWalk(engine, query), list[int](), time.monotonic() + PAGE_S
    while len(ids) <= limit and not walk.is_at_end:
        ids += await walk.find(limit + 1 - len(ids))
        if time.monotonic() >= ends:
            break
    is_full = len(ids) > limit
    place = ids[limit - 1] if is_full else None if walk.is_at_end else walk.next
    wanted = query._replace(ids=ids[:limit], limit=limit)
    return JobPage(await engine.ask(wanted) if ids else [], place)


async def count_jobs(engine: Engine, query: FindJobs, most: int, within: float | None) -> BoundedCount:
    """How many jobs there are, counted up to so many, and for so many seconds."""
    if query._replace(status=None, type=None, oldest_first=False) == FindJobs():
        return BoundedCount(_counted(engine.stats(), query), is_more=False)
    walk, count, ends = JobWalk(engine, query), 0, None if within is None else time.monotonic() + within
    while count <= most and not walk.is_at_end:
        count += len(await walk.find(most + 1 - count))
        if ends is not None and time.monotonic() >= ends:
            break
    return BoundedCount(min(count, most), is_more=count > most or not walk.is_at_end)


def _counted(stats: RunnerStats, query: FindJobs) -> int:
    """What the store has counted of a status, or of each, and of a type, or of each."""
    of = stats if query.type is None else stats.by_type.get(query.type, TypeStats())
    if query.status is not None:
        return int(getattr(of, query.status.value))
    return of.pending + of.processing + of.completed + of.dead + of.cancelled

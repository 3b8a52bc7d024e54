"""The lane in which most jobs wait: a person looks there first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from aiojobs_lite.runner.figures import DatabaseFigures, TypeFigures
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.runner.troubles import JobMark
from aiojobs_lite.telemetry.wording import span

_WAITING_LOOKED_AT: Final = 200  # jobs that are looked at: those that wait, and those that run
_RUNNING_LOOKED_AT: Final = 100


class FullestLane(NamedTuple):
    """The lane in which most jobs wait.

    Attributes:
        limit: The limit that is reached, its key, and how many run.
        running: The job of it that runs longest, with its type and for how many seconds; or None.
        p95: Within how many seconds 95 of 100 of that type ended lately, or None.
    """

    limit: str
    running: tuple[int, str, float] | None
    p95: float | None

    def __str__(self) -> str:
        if self.running is None:
            return self.limit
        job_id, job_type, age = self.running
        usual = "" if self.p95 is None else f"; 95 % of {job_type} took {span(self.p95)} at most"
        return f"{self.limit}, the oldest, job {job_id}, for {span(age)}{usual}"


async def read_fullest(runner: JobRunner, now: DatabaseFigures, types: Iterable[TypeFigures]) -> FullestLane | None:
    """The fullest of the lanes of some jobs that wait longest; None if no limit holds them back."""
    if "lane" not in now.held:
        return None
    waiting = await runner.jobs.list(held="lane", scheduled_to=now.at, order="oldest", limit=_WAITING_LOOKED_AT)
    marks = await runner.jobs.marks(waiting)
    by_lane = defaultdict[str | None, list[JobMark]](list)
    for job in waiting:
        if job.id in marks:
            by_lane[job.lane].append(marks[job.id])
    mark = next(iter(max(by_lane.values(), key=len, default=())), None)
    if mark is None or mark.limit is None:
        return None
    running = await runner.jobs.list(
        status="processing", key=dict([mark.limit]), order="oldest", limit=_RUNNING_LOOKED_AT
    )
    oldest = min(running, key=lambda job: job.started_at or now.at, default=None)
    if oldest is None or oldest.started_at is None:
        return FullestLane(mark.text, None, None)
    p95 = next((one.durations.p95 for one in types if one.type == oldest.type), None)
    return FullestLane(mark.text, (oldest.id, oldest.type, (now.at - oldest.started_at).total_seconds()), p95)

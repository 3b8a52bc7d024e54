"""The attempts that run far longer than usual, of all types, as `status`, `check` and the dashboard name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from aiojobs_lite.model.job import Job
from aiojobs_lite.runner.figures import DatabaseFigures
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.runner.troubles import (
    LEAST_AGE_S,
    age_of,
    longest_usual,
    stuck_attempts,
    usual_durations,
    usual_in_words,
)
from aiojobs_lite.telemetry.wording import span

_LOOKED_AT: Final = 200  # processing jobs, those with the lowest ids: one that hangs is soon among them
MOST_TYPES_LOOKED_AT: Final = 20
"""Types whose figures are read: those of the attempts that have run longest."""


class LongRunning(NamedTuple):
    """Attempts of one type that run far longer than usual.

    Attributes:
        type: Their type.
        attempts: How many they are.
        job_id: The job of the one that has run longest.
        age: For how many seconds that one has run.
        where: The runner that runs it.
        known: How many attempts of the type ended within 30 days.
        longest: How many seconds the longest of those took.
    """

    type: str
    attempts: int
    job_id: int
    age: float
    where: str
    known: int
    longest: float

    @property
    def what(self) -> str:
        """What they are, and how one knows."""
        runs = f"job {self.job_id} of {self.type} runs far longer than usual, for {span(self.age)}, in {self.where}"
        if self.attempts > 1:
            runs = (
                f"{self.attempts:,} attempts of {self.type} run far longer than usual, the first for {span(self.age)}: "
                f"job {self.job_id} in {self.where}"
            )
        return f"{runs}; {usual_in_words(self.known, self.longest)}"

    @property
    def advice(self) -> str:
        """What to do."""
        if self.attempts == 1:
            return "if it hangs, cancel it, and give its handler a timeout that fits; if it is slow, it ends by itself"
        return "if they hang, cancel them, and give their handler a timeout that fits; if they are slow, they end"


async def long_attempts(runner: JobRunner, standing: DatabaseFigures) -> list[LongRunning]:
    """The attempts that run far longer than usual, by type, the one that has run longest first.

    Those of which another report says why they go on are not among them: they are stuck, or their runner is dead,
    blocked, silent, or cannot write what has ended.

    Args:
        runner: A runner of the database.
        standing: How the database stands.
    """
    if not standing.processing:
        return []
    page = await runner.jobs.list(status="processing", order="oldest", limit=_LOOKED_AT)
    places, of_types = _places(standing), dict[str, list[Job]]()
    for job in _of_well_runners(page, standing, places):
        of_types.setdefault(job.type, []).append(job)
    found = []
    for name, running in sorted(of_types.items(), key=lambda one: -_longest(one[1], standing))[:MOST_TYPES_LOOKED_AT]:
        usual = await usual_durations(runner.figures, name)
        far = [job for job in running if longest_usual(usual, age_of(job, standing.at)) is not None]
        if far:
            first = max(far, key=lambda job: age_of(job, standing.at))
            age, where = age_of(first, standing.at), places[first.owner or ""]
            longest = usual.percentile(1.0) or 0.0
            found.append(LongRunning(name, len(far), first.id, age, where, usual.count, longest))
    return sorted(found, key=lambda one: -one.age)


def _longest(running: Iterable[Job], standing: DatabaseFigures) -> float:
    """For how many seconds the one of some jobs has run that has run longest."""
    return max(age_of(job, standing.at) for job in running)


def _of_well_runners(page: Iterable[Job], standing: DatabaseFigures, well: Mapping[str, str]) -> Iterator[Job]:
    """The jobs that have run for a minute in a runner that is well, and were not stopped."""
    stuck = stuck_attempts(standing.runners, standing.at)
    for job in page:
        if age_of(job, standing.at) >= LEAST_AGE_S and job.owner in well and (job.id, job.attempts) not in stuck:
            yield job


def _places(standing: DatabaseFigures) -> Mapping[str, str]:
    """The runners that are well, by id: what they are called."""
    return {
        one.id: f"the runner {one.id} (pid {one.pid} on {one.host})"
        for one in standing.runners
        if one.silent is None and not any(trouble.kind in {"blocked", "degraded"} for trouble in one.troubles)
    }

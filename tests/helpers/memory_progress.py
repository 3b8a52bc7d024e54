"""What handlers reported, of a store of plain Python; written from `model/progress.py` alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import Job, JobProgress, Status
from aiojobs_lite.model.progress import (
    GetLog,
    GetStandings,
    JobLog,
    LogLine,
    Report,
    Standing,
    log_of,
    standing_of,
    weight_of,
)
from aiojobs_lite.model.writes import Prune
from tests.helpers.memory_ahead import ended


class Log(NamedTuple):
    """All lines that a job ever logged, and how the report is named that was added last."""

    lines: tuple[LogLine, ...] = ()
    last: int = 0
    latest: tuple[str, int] = "", 0


Logs = dict[int, Log]
"""By job."""


def bare(job: Job) -> Job:
    """A job without what only `GetJob` brings."""
    return replace(job, history=(), progress=None)


def progressed(job: Job, write: Report) -> JobProgress | None:
    """What a job has reported after a report."""
    if write.at is None:
        return job.progress
    return JobProgress(write.fraction, write.text, write.attempt, to_datetime(write.at))


def logged(logs: Logs, write: Report) -> Log:
    """The log of a job after a report."""
    log = logs.get(write.id, Log())
    if not write.lines or log.latest == (write.owner, write.serial):
        return log
    first = log.last + write.dropped + 1
    lines = [
        LogLine(first + index, write.attempt, to_datetime(line.at), line.text) for index, line in enumerate(write.lines)
    ]
    return Log((*log.lines, *lines), lines[-1].number, (write.owner, write.serial))


def get_log(logs: Logs, query: GetLog) -> JobLog:
    """See `GetLog`."""
    log = logs.get(query.id, Log())
    return log_of(list(log.lines), log.last, query.after)


def get_standings(jobs: Mapping[int, Job], logs: Logs, query: GetStandings) -> dict[int, Standing]:
    """See `GetStandings`."""
    return {
        job_id: standing_of(jobs[job_id], logs.get(job_id, Log()).last) for job_id in {*query.ids} if job_id in jobs
    }


def pruned(
    jobs: Iterable[Job], ticks: Collection[tuple[str, int]], logs: Logs, steps: Mapping[int, int], write: Prune
) -> tuple[list[Job], list[tuple[str, int]], int]:
    """The jobs and the ticks that a prune deletes, and its answer."""
    found, weight = list[Job](), 0
    for status, before in (
        (Status.COMPLETED, write.completed_before),
        (Status.DEAD, write.dead_before),
        (Status.CANCELLED, write.dead_before),
    ):
        old = sorted((ended(job), job.id, job) for job in jobs if job.status is status and ended(job) < before)
        for *_, job in old:
            if weight < write.limit:
                found.append(job)
                weight += weight_of(logs.get(job.id, Log()).last, steps.get(job.id, 0))
    old_ticks = sorted((entry for entry in ticks if entry[1] < write.ticks_before), key=lambda entry: entry[::-1])
    old_ticks = old_ticks[: max(write.limit - weight, 0)]
    return found, old_ticks, weight + len(old_ticks)

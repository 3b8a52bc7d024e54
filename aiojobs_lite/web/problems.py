"""What is wrong, the worst first: each in one line, with what to look at or to press."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from aiojobs_lite.limits import EveryKey, LimitState
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.schedule_states import ScheduleState
from aiojobs_lite.runner.figures import DatabaseFigures, ErrorFigures
from aiojobs_lite.runner.fullest import FullestLane
from aiojobs_lite.runner.long_running import LongRunning
from aiojobs_lite.runner.troubles import no_runner, troubles_of
from aiojobs_lite.telemetry.stats import RunnerStats
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.web import shown

OVERDUE_S: Final = 60.0
"""A job that is due for longer is a problem."""

BLOCKED_LOOP_S: Final = 0.25
"""An event loop that is later than this is one."""

MOST_DEAD_LOOKED_AT: Final = 200
"""Dead jobs that are grouped by type and error, the newest."""


class Problem(NamedTuple):
    """Something that is wrong, or at least not as usual.

    Attributes:
        level: `bad`, `warn` or `note`.
        title: What it is.
        text: Since when, and what to do.
        path: The page that shows more, or None.
        parameters: Of that page.
        press: The path of an action that ends it, or None.
        label: What stands on its button.
        fields: What the button sends.
    """

    level: str
    title: str
    text: str
    path: str | None = None
    parameters: Mapping[str, str] = {}  # it is never changed
    press: str | None = None
    label: str = ""
    fields: Mapping[str, str] = {}  # the same


class DeadGroup(NamedTuple):
    """Jobs of one type that died of one type of error.

    Attributes:
        type: Their type.
        error: The type of the error, or the reason.
        jobs: How many they are.
        latest: When the latest of them died.
        first_at: Since when attempts of that type fail by it, as far as that is known.
        example: Its error.
    """

    type: str
    error: str
    jobs: int
    latest: datetime
    example: str
    first_at: datetime | None = None


def dead_groups(jobs: Iterable[Job], since: datetime, errors: Iterable[ErrorFigures] = ()) -> list[DeadGroup]:
    """The jobs that died since an instant, by type and error, the largest group first."""
    died = [job for job in jobs if job.completed_at is not None and job.completed_at >= since]
    counts = Counter((job.type, _kind_of(job)) for job in died)
    latest: dict[tuple[str, str], Job] = {}
    first_at = {(one.type, one.error_type): one.first_at for one in errors}
    for job in sorted(died, key=lambda job: job.completed_at or since):
        latest[job.type, _kind_of(job)] = job
    return [
        DeadGroup(
            *key,
            count,
            latest[key].completed_at or since,
            latest[key].error or latest[key].reason or "",
            first_at.get(key),
        )
        for key, count in counts.most_common()
    ]


def problems_of(
    stats: RunnerStats,
    standing: DatabaseFigures,
    limits: Iterable[LimitState],
    schedules: Iterable[ScheduleState],
    fullest: FullestLane | None = None,
    long: Iterable[LongRunning] = (),
) -> list[Problem]:
    """What is wrong but for the jobs that died, the worst first."""
    found = [
        *_of_process(stats),
        *_of_runners(standing, stats),
        *_waiting(standing),
        *(Problem("warn", _sentence(one.what), f"{_sentence(one.advice)}.", f"jobs/{one.job_id}") for one in long),
        *_behind_limits(standing, fullest),
        *_paused(standing, limits, schedules),
    ]
    return sorted(found, key=lambda problem: ("bad", "warn", "note").index(problem.level))


def _of_process(stats: RunnerStats) -> Iterator[Problem]:
    if stats.degraded is not None:
        locked = "Another program holds its lock: end that transaction; `aiojobs-lite db doctor` names it"
        cause = locked if "BUSY" in stats.degraded else stats.degraded
        text = f"{cause}. Nothing is lost: the runner tries again by itself, and goes on when it can write."
        yield Problem("bad", "The database cannot be written", text)
    if stats.loop_lag > BLOCKED_LOOP_S:
        text = "Something computes or blocks on it: a handler that should be a plain def, or run in a process."
        yield Problem("bad", f"The event loop is {shown.took(stats.loop_lag)} late", text)
    if stats.draining:
        yield Problem("note", "This runner drains", "It claims nothing more, and ends when its jobs have.")


def _of_runners(standing: DatabaseFigures, stats: RunnerStats) -> Iterator[Problem]:
    for found in troubles_of(standing.runners, standing.at):
        if found.kind == "degraded" and stats.degraded is not None:
            continue  # this process says the same of itself
        path = None if found.job_id is None else f"jobs/{found.job_id}"
        yield Problem("bad", _sentence(found.what), f"{_sentence(found.advice)}.", path)


def _waiting(standing: DatabaseFigures) -> Iterator[Problem]:
    if (missing := no_runner(standing)) is not None:
        yield Problem("bad", _sentence(missing.what), f"{_sentence(missing.advice)}.")
    if standing.oldest_due_age > OVERDUE_S:
        late = min(standing.oldest_due_by_type, key=lambda name: standing.oldest_due_by_type[name], default="")
        title = f"{standing.due} due, the first, of {late}, for {shown.took(standing.oldest_due_age)}"
        text = "All slots, or the concurrency of its type, are taken. The page of a job says why it waits."
        if missing is not None or late in standing.unclaimed:
            text = "No runner lives that runs it."
        yield Problem("bad", title, text, "jobs", {"status": "pending", "type": late})
    for name, pending in sorted(standing.unclaimed.items()):
        if pending and name not in standing.paused:
            text = "No runner that lives has a handler of this name: it was renamed, or its program does not run."
            yield Problem("bad", f"{counted(pending, 'job')} of {name} without a handler", text, "jobs",
                          {"status": "pending", "type": name})  # fmt: skip
    if (misfits := standing.held.get("payload")) is not None:
        title = f"{misfits} held: the payload no longer fits the handler"
        text = "They wait for a runner whose handler takes them. Nothing is lost, and no attempt is spent."
        yield Problem("bad", title, text, "jobs", {"status": "pending", "held": "payload"})


def _behind_limits(standing: DatabaseFigures, fullest: FullestLane | None) -> Iterator[Problem]:
    if (waiting := standing.held.get("lane")) is not None:
        age = standing.waiting_age("lane")
        due = f" The first has been due for {shown.took(age)}." if age else ""
        most = "" if fullest is None else f" Most are behind {fullest}."
        text = f"As many run as the limit allows for their key, or its rate is used up.{due}{most}"
        yield Problem("note", f"{waiting} behind a full limit", text, "lanes")


def _paused(
    standing: DatabaseFigures, limits: Iterable[LimitState], schedules: Iterable[ScheduleState]
) -> Iterator[Problem]:
    now = standing.at
    for name, pause in standing.paused.items():
        pending = standing.counts.get(name, {}).get(Status.PENDING, 0)
        first = standing.oldest_waiting.get("paused", {}).get(name)
        due = f", the first due {shown.age(first, now)}" if first else ""
        text = f"{_since(pause.since, pause.by, now)}. {counted(pending, 'job')} pending{due}."
        yield Problem("warn", f"{name} is paused", text, "types", {}, "types/resume", "Resume", {"name": name})
    for limit in limits:
        if limit.is_paused:
            key = "" if isinstance(limit.key, EveryKey) else f" for {limit.key}"
            text = f"{_since(limit.paused_since, limit.paused_by, now)}."
            yield Problem("warn", f"The limit {limit.name} is paused{key}", text, "lanes", {"limit": limit.name})
    for schedule in schedules:
        if schedule.paused_since is not None:
            text = f"{_since(schedule.paused_since, schedule.paused_by, now)}."
            yield Problem("warn", f"The schedule {schedule.name} is paused", text, "schedules", {},
                          "schedules/resume", "Resume", {"name": schedule.name})  # fmt: skip


def _since(since: datetime | None, by: str | None, now: datetime) -> str:
    return f"Since {shown.age(since, now)}" + (f", by {by}" if by else "")


def _kind_of(job: Job) -> str:
    return (job.error or job.reason or "no error").partition(":")[0]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

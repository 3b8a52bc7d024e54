"""What is wrong in the processes of runners, in words: the same for the command line, the dashboard and `explain`; and
what lists of jobs say of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.limits import LimitKey
from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.limits import LookAtLane, MeterState
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.troubles import Trouble, TroubleGroup, TroubleKind
from aiojobs_lite.runner.figures import DatabaseFigures, JobFigures
from aiojobs_lite.telemetry.wording import counted, span

_KEEPS: Final = "it keeps its slot until it ends by itself, or its process is restarted"
_EACH_KEEPS: Final = f"each of them keeps{_KEEPS.removeprefix('it keeps')}"
_BLOCKED_ADVICE: Final = "nothing else runs in that process meanwhile; a restart ends it; make the handler a plain def"

_DEGRADED_ADVICE: Final = (
    "new jobs are refused meanwhile, and what was stored is kept; the runner goes on by itself when it can write: "
)
_OF_LOCK: Final = "end the transaction of the program that has the lock, which `aiojobs-lite db doctor` names"
_LOST: Final = "its runner is dead; the next one that lives gives it back"
_OF_FILE: Final = "free the disk, or make the file writable"


MOST_LANES_LOOKED_AT: Final = 50
"""Lanes of one list whose limits are looked at; the jobs of others have no mark."""

LEAST_AGE_S: Final = 60.0
"""An attempt that has run for less never runs far longer than usual."""

TIMES_LONGEST: Final = 3
"""How many times as long as the longest attempt that ended it has run."""

LEAST_KNOWN: Final = 20
"""Of a type of which fewer attempts have ended nothing is said: what is usual is not known."""

_USUAL_SINCE: Final = "30d"


class TroubleInWords(NamedTuple):
    """Something that is wrong in the process of a runner.

    Attributes:
        what: What it is, where, and since when.
        advice: What to do.
        job_id: The job to look at, or None.
        kind: As `model.troubles.Trouble` has it; None: the runner is silent.
    """

    what: str
    advice: str
    job_id: int | None
    kind: TroubleKind | None


def no_runner(now: DatabaseFigures) -> TroubleInWords | None:
    """That no runner lives that runs jobs, since when, and what becomes of its jobs; None: one lives."""
    if any(one.max_running for one in now.runners):
        return None
    what, last, left = "no runner lives that runs jobs", now.last_runner, now.processing
    if last is not None and (at := last.ended_at or last.last_sign_at) is not None:
        sign = "its end was noted" if last.ended_at else "it gave its last sign"
        age = span(max(0.0, (now.at - at).total_seconds()))
        what = f"{what}; the last was {last.id} (pid {last.pid} on {last.host}), {sign} {age} ago"
    kept = f", and {counted(left, 'job')} that it left running will run again" if left and not now.runners else ""
    return TroubleInWords(what, f"start the application; what was stored is kept{kept}", None, None)


class JobMark(NamedTuple):
    """What is to be said of a job in a list.

    Attributes:
        state: In place of its status: `stuck`, `lost`, `behind a limit`.
        text: What a person asks next: since when and where, or which limit and key.
        limit: The limit that a job is behind, and its key; else None.
    """

    state: str
    text: str
    limit: tuple[str, LimitKey] | None = None


def troubles_of(runners: Iterable[RunnerInfo], now: datetime) -> list[TroubleInWords]:
    """All that is wrong in the processes of these runners."""
    return [found for runner in runners for found in _of_runner(runner, now)]


def stuck_attempts(runners: Iterable[RunnerInfo], now: datetime) -> dict[tuple[int | None, int | None], str]:
    """By job and attempt what is to be said of those that are stuck, in a list of jobs."""
    return {
        (one.job_id, one.attempt): f"stopped{_why(one)} {_age(one, now)} ago, it goes on{_at(one)}"
        for runner in runners
        for one in runner.troubles
        if one.kind == "stuck"
    }


def why_stuck(job: Job, runner: RunnerInfo, now: datetime) -> str:
    """Why a job that a runner is processing goes on for long, as far as the runner knows; else empty."""
    for trouble in runner.troubles:
        if (trouble.kind, trouble.job_id, trouble.attempt) == ("stuck", job.id, job.attempts):
            return f"it was stopped{_why(trouble)} {_age(trouble, now)} ago and goes on{_at(trouble)}: {_KEEPS}"
    return why_still("that runner", runner, now)


def why_still(name: str, runner: RunnerInfo, now: datetime) -> str:
    """Why nothing moves in a runner, which is called so, as far as is known; else empty."""
    for trouble in runner.troubles:
        if trouble.kind == "blocked":
            return _blockage(name, trouble, now)
        if trouble.kind == "degraded":
            return _fault(name, trouble, now)
    return "" if runner.silent is None else _silence(name, runner.silent)


def _of_runner(runner: RunnerInfo, now: datetime) -> Iterable[TroubleInWords]:
    where = f"the runner {runner.id} (pid {runner.pid} on {runner.host})"
    groups: dict[TroubleGroup, list[Trouble]] = {}
    for trouble in runner.troubles:
        groups.setdefault(trouble.group, []).append(trouble)
    for trouble, *alike in groups.values():
        if trouble.kind == "stuck":
            text = _stuck_in_words(trouble, len(alike) + 1, where, now)
            yield TroubleInWords(text, _EACH_KEEPS if alike else _KEEPS, trouble.job_id, "stuck")
        elif trouble.kind == "degraded":
            remedy = _OF_LOCK if "BUSY" in (trouble.why or "") else _OF_FILE
            yield TroubleInWords(_fault(where, trouble, now), f"{_DEGRADED_ADVICE}{remedy}", None, "degraded")
        else:
            yield TroubleInWords(_blockage(where, trouble, now), _BLOCKED_ADVICE, trouble.job_id, "blocked")
    if runner.troubles_left_out:
        more = counted(runner.troubles_left_out, "more attempt")
        yield TroubleInWords(f"{more} that go on after they were stopped in {where}", _EACH_KEEPS, None, "stuck")
    if runner.silent is not None and not any(trouble.kind == "blocked" for trouble in runner.troubles):
        advice = f"look at process {runner.pid} on {runner.host}; a restart gives its jobs back"
        yield TroubleInWords(_silence(where, runner.silent), advice, None, None)


def _silence(name: str, seconds: float) -> str:
    return f"{name} has not reported for {span(seconds)}: its event loop is blocked, or its process was stopped"


def _blockage(name: str, trouble: Trouble, now: datetime) -> str:
    by = "code that is no handler's own" if trouble.job_id is None else f"job {trouble.job_id} of {trouble.type}"
    return f"the event loop of {name} has been blocked for {_age(trouble, now)} by {by}{_at(trouble)}"


def _fault(name: str, trouble: Trouble, now: datetime) -> str:
    return f"{name} has not been able to write the database for {_age(trouble, now)}{_why(trouble)}"


def _stuck_in_words(first: Trouble, number: int, where: str, now: datetime) -> str:
    """One stuck attempt, or many that are alike."""
    job = f"job {first.job_id}"
    if number == 1:
        text = f"{job} of {first.type}, attempt {first.attempt}, is stuck: stopped{_why(first)} {_age(first, now)} ago"
        return f"{text}, it goes on{_at(first)} in {where}"
    text = f"{number:,} attempts of {first.type} are stuck{_at(first)}: stopped{_why(first)}, the first"
    return f"{text} {_age(first, now)} ago, they go on in {where}; for example {job}"


def _why(trouble: Trouble) -> str:
    return f" ({trouble.why})" if trouble.why else ""


def _at(trouble: Trouble) -> str:
    return f" at {trouble.place}" if trouble.place else ""


def _age(trouble: Trouble, now: datetime) -> str:
    return span(max(0.0, (now - trouble.since).total_seconds()))


async def look_at_marks(engine: Engine, jobs: Collection[Job]) -> Mapping[int, JobMark]:
    """What is to be said of these jobs, by their ids: of those of which there is something.

    Raises:
        InvalidOption: If they are no jobs.
    """
    looked_at, now = check_each("jobs", jobs, "jobs"), to_datetime(engine.now())
    if not all(isinstance(one, Job) for one in looked_at):
        raise InvalidOption("jobs", jobs, "jobs, as runner.jobs.list gives them")
    return {**await _stopped_ones(engine, looked_at, now), **await _behind_limits(engine, looked_at, now)}


async def _stopped_ones(engine: Engine, jobs: Collection[Job], now: datetime) -> dict[int, JobMark]:
    running = [job for job in jobs if job.status is Status.PROCESSING]
    if not running:
        return {}
    runners, dead = await engine.runners()
    stuck = stuck_attempts(runners, now)
    return {
        **{job.id: JobMark("stuck", stuck[job.id, job.attempts]) for job in running if (job.id, job.attempts) in stuck},
        **{job.id: JobMark("lost", _LOST) for job in running if job.owner in dead},
    }


async def _behind_limits(engine: Engine, jobs: Collection[Job], now: datetime) -> dict[int, JobMark]:
    """A look at each lane: what counts for one of its jobs does so for all."""
    lanes: dict[str, list[Job]] = {}
    for job in jobs:
        if job.status is Status.PENDING and job.held is None and job.lane is not None and job.scheduled_at <= now:
            lanes.setdefault(job.lane, []).append(job)
    marks = dict[int, JobMark]()
    for lane, waiting in list(lanes.items())[:MOST_LANES_LOOKED_AT]:
        found = await engine.ask(LookAtLane(lane, waiting[0].id, engine.now()))
        reached = next(filter(_is_reached, found.meters), None)
        if reached is not None:
            key = json.loads(reached.limit.key or "null")
            mark = JobMark("behind a limit", _reached_limit(reached), (reached.limit.name, key))
            marks |= dict.fromkeys([job.id for job in waiting], mark)
    return marks


def _is_reached(state: MeterState) -> bool:
    """Whether a limit lets no job of its key start."""
    return state.limit.pause is not None or (state.limit.most is not None and state.taken >= state.limit.most)


def _reached_limit(state: MeterState) -> str:
    """A limit that is reached, and its key."""
    limit = state.limit
    how = "paused" if limit.pause is not None else f"{state.taken:,} of {limit.most:,}"
    return f"{limit.name!r} for the key {limit.key}, {how}"


async def usual_durations(figures: JobFigures, name: str) -> Durations:
    """How long the attempts of a type took that ended within 30 days."""
    of_type = await figures.types(since=_USUAL_SINCE, names=(name, name))
    return next((one.durations for one in of_type), Durations())


def longest_usual(usual: Durations, age: float) -> float | None:
    """The longest usual duration in seconds, if an attempt of this age runs far longer than that; else None."""
    longest = usual.percentile(1.0)
    if longest is None or usual.count < LEAST_KNOWN or age < max(LEAST_AGE_S, TIMES_LONGEST * longest):
        return None
    return longest


def usual_in_words(known: int, longest: float) -> str:
    """What is usual for a type of which so many attempts ended."""
    return f"of {known:,} that ended within 30 days the longest took {span(longest)}"


async def why_long(figures: JobFigures, job: Job, now: datetime) -> str:
    """That a job that is processing runs far longer than usual; else empty."""
    age = age_of(job, now)
    if age < LEAST_AGE_S:
        return ""
    usual = await usual_durations(figures, job.type)
    longest = longest_usual(usual, age)
    return "" if longest is None else f"far longer than usual: {usual_in_words(usual.count, longest)}"


def age_of(job: Job, now: datetime) -> float:
    """For how many seconds the attempt of a job has run."""
    return 0.0 if job.started_at is None else (now - job.started_at).total_seconds()

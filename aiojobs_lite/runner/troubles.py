"""What is wrong in the processes of runners, in words: the same for the command line, the dashboard and `explain`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from aiojobs_lite.model.job import Job
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.troubles import Trouble, TroubleKind
from aiojobs_lite.telemetry.wording import span

_STUCK_ADVICE: Final = "it keeps its slot until it ends by itself, or its process is restarted"
_BLOCKED_ADVICE: Final = "nothing else runs in that process meanwhile; a restart ends it; make the handler a plain def"

_DEGRADED_ADVICE: Final = (
    "new jobs are refused meanwhile, and what was stored is kept; the runner goes on by itself when it can write: "
)
_OF_LOCK: Final = "end the transaction of the program that has the lock"
_OF_FILE: Final = "free the disk, or make the file writable"


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


def troubles_of(runners: Iterable[RunnerInfo], now: datetime) -> list[TroubleInWords]:
    """All that is wrong in the processes of these runners."""
    return [found for runner in runners for found in _of_runner(runner, now)]


def why_stuck(job: Job, runner: RunnerInfo, now: datetime) -> str:
    """Why a job that a runner is processing goes on for long, as far as the runner knows; else empty."""
    for trouble in runner.troubles:
        if (trouble.kind, trouble.job_id, trouble.attempt) == ("stuck", job.id, job.attempts):
            return f"it was stopped{_why(trouble)} {_age(trouble, now)} ago and goes on{_at(trouble)}: {_STUCK_ADVICE}"
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
    for trouble in runner.troubles:
        if trouble.kind == "stuck":
            text = f"{_attempt(trouble)} is stuck: stopped{_why(trouble)} {_age(trouble, now)} ago, it goes on"
            yield TroubleInWords(f"{text}{_at(trouble)} in {where}", _STUCK_ADVICE, trouble.job_id, "stuck")
        elif trouble.kind == "degraded":
            remedy = _OF_LOCK if "BUSY" in (trouble.why or "") else _OF_FILE
            yield TroubleInWords(_fault(where, trouble, now), f"{_DEGRADED_ADVICE}{remedy}", None, "degraded")
        else:
            yield TroubleInWords(_blockage(where, trouble, now), _BLOCKED_ADVICE, trouble.job_id, "blocked")
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


def _attempt(trouble: Trouble) -> str:
    return f"job {trouble.job_id} of {trouble.type}, attempt {trouble.attempt},"


def _why(trouble: Trouble) -> str:
    return f" ({trouble.why})" if trouble.why else ""


def _at(trouble: Trouble) -> str:
    return f" at {trouble.place}" if trouble.place else ""


def _age(trouble: Trouble, now: datetime) -> str:
    return span(max(0.0, (now - trouble.since).total_seconds()))

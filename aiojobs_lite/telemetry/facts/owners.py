"""What a runner reports of its end, and of what others left."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import counted, ended_words, span, waited_for_words, waits_words


@dataclass(frozen=True, slots=True)
class OwnerRescued(Fact):
    """Jobs of a dead runner were given back. `pid` and `host`: of its process, if that is known."""

    level = logging.WARNING
    part = "engine"
    text = "rescued: {jobs} of the dead owner {owner}{pid}{host}"
    owner: str
    jobs: int
    pid: int | None = None
    host: str | None = None

    def _words(self) -> dict[str, str]:
        pid = "" if self.pid is None else f" (pid {self.pid}"
        return {
            "jobs": counted(self.jobs, "job"),
            "pid": pid,
            "host": f" on {self.host})" if self.host else ")" * bool(pid),
        }


@dataclass(frozen=True, slots=True)
class JobsMovedBack(Fact):
    """The clock was ahead when jobs were written, and they were moved back, by `seconds` at most."""

    level = logging.WARNING
    part = "engine"
    text = "moved back: {jobs}, by {seconds:.1f} s at most; the clock was ahead when they were written"
    jobs: int
    seconds: float

    def _words(self) -> dict[str, str]:
        return {"jobs": counted(self.jobs, "job")}


@dataclass(frozen=True, slots=True)
class RunnerStarted(Fact):
    """The runner works on `database`. `types` and `schedules`: the first names, each schedule with its next tick;
    `pending` and `dead`: jobs in the database; `pid` and `owner`: the process, and this start of the runner.
    """

    part = "engine"
    text = "runner started: {database}; {types}; {schedules}; {pending} pending, {dead} dead; pid {pid}, owner {owner}"
    database: str
    types: str
    schedules: str
    pending: int
    dead: int
    pid: int
    owner: str


@dataclass(frozen=True, slots=True)
class DrainStarted(Fact):
    """The runner claims nothing more. `why`: `close`, or the name of a signal such as `SIGTERM`. `running`: the
    attempts that it waits for. `types`: their types, each with a number. `timeout`: the seconds until the attempts are
    interrupted.
    """

    part = "engine"
    text = "drain started ({why}): {running} running{types}{timeout}"
    why: str
    running: int
    types: str
    timeout: float

    def _words(self) -> dict[str, str]:
        return waited_for_words(self.why, self.running, self.types, self.timeout)


@dataclass(frozen=True, slots=True)
class DrainWaits(Fact):
    """A drain has waited for a second. `why`, `running` and `timeout` as of `DrainStarted`, at this moment; `attempts`:
    those that have run for longest, with their ages.
    """

    level = logging.WARNING
    part = "engine"
    text = "waiting up to {timeout} for {running} ({attempts}), then they are interrupted{why}"
    why: str
    running: int
    attempts: str
    timeout: float

    def _words(self) -> dict[str, str]:
        return waits_words(self.why, self.running, self.timeout)


@dataclass(frozen=True, slots=True)
class DrainFinished(Fact):
    """The drain is finished: each attempt has ended, or the runner was left. `duration` is in seconds; the other fields
    are ids of jobs. `interrupted`: jobs that were interrupted and run again. `left`: jobs whose handlers still run;
    another runner gives them back after the handlers have ended. `unsaved`: jobs whose ends are not stored; the next
    runner gives them back.
    """

    part = "engine"
    text = "drain finished in {duration}: {interrupted}{left}{unsaved}"
    duration: float
    interrupted: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    unsaved: tuple[int, ...] = ()

    def _words(self) -> dict[str, str]:
        return {"duration": span(self.duration), **ended_words(self.interrupted, self.left, self.unsaved)}
